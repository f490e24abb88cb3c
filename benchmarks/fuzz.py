"""Mutated files against every reader: no crash, no hang, no error that is not one of ours.

    python benchmarks/fuzz.py [--files 10000] [--readers keras checkpoint subset onnx] [--quick]

Mutation k depends on --seed and k alone. Half of the archives are mutated as bytes,
half inside, with checksums that fit. Each reader runs in a process of its own; one that dies, or
takes longer than 5 s for a file, is a defect, as is an exception of another kind than the reader
promises, or one that does not name the file. Files that found a defect stay in --keep.
The last line is one JSON object: files read and refused, and the defects.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SECONDS = 5
STARTING = 120
ODD = [None, True, -1, 0, 2**31, 2**63, 1e308, "", "x" * 1000, "os", [], {}, [[]], {"x": 1}]


def mutate(content, rng):
    """Some bytes flipped, cut, doubled, inserted or moved."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([1, 2, 4, 64, 4096]))
        kind = rng.randrange(6)
        if kind == 0 and start < len(content):
            content[start] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del content[start:end]
        elif kind == 2:
            content[start:start] = content[start:end]
        elif kind == 3:
            content[start:start] = rng.randbytes(rng.choice([1, 4, 32]))
        elif kind == 4:
            content[start:end] = bytes([rng.choice([0, 255, 127])]) * (end - start)
        elif rng.random() < 0.2:
            del content[start:]
    return bytes(content)


def mutate_json(content, rng):
    """One value somewhere in a JSON text replaced by an odd one, or a key dropped."""
    root = json.loads(content)
    node = root
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return json.dumps(root).encode()
        key = rng.choice(keys)
        if not isinstance(node[key], dict | list) or rng.random() < 0.2:
            break
        node = node[key]
    if rng.random() < 0.2:
        del node[key]
    elif isinstance(node[key], int) and rng.random() < 0.5:
        node[key] = rng.choice([node[key] + 1, -node[key], 10 ** rng.randrange(12)])
    else:
        node[key] = rng.choice(ODD)
    return json.dumps(root).encode()


def mutate_member(name, content, rng):
    structured = name.endswith(".json") and rng.random() < 0.8
    return (mutate_json if structured else mutate)(content, rng)


def mutate_archive(content, rng):
    """The archive with one member mutated and its checksum made to fit, or mutated as bytes."""
    if rng.random() < 0.5:
        return mutate(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice(sorted(members))
    members[chosen] = mutate_member(chosen, members[chosen], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return packed.getvalue()


class KerasReader:
    """`keras_ccl.load_model`."""

    def __init__(self, folder):
        import keras

        import keras_ccl as ccl

        self.load, self.clear = ccl.load_model, keras.backend.clear_session
        self.path, self.count = folder / "model.keras", 0
        _tiny_model().save(self.path)
        self.original = self.path.read_bytes()

    def write(self, rng):
        self.path.write_bytes(mutate_archive(self.original, rng))

    def read(self):
        self.count += 1
        if self.count % 50 == 0:
            self.clear()
        self.load(self.path)

    def is_ours(self, error):
        return isinstance(error, ValueError) and str(self.path) in str(error)


class CheckpointReader:
    """`Checkpoints.restore`, what `fit_tasks` begins with; a damaged one is a warning."""

    def __init__(self, folder):
        from keras_ccl.checkpointing import checkpoints

        self.folder, self.model = folder / "run", _tiny_model()
        self.start = lambda: checkpoints.open_checkpoints(
            self.model, self.folder, keep_last=2, save_every=1
        )
        self.model.fit_tasks(_tasks(), epochs=1, verbose=0)
        run = self.start()
        run.note_start(self.model)
        history = _history()
        run.save(self.model, task=len(history), epoch=1, epochs=2, history=history)
        (self.whole,) = self.folder.iterdir()
        self.original = {path.name: path.read_bytes() for path in self.whole.iterdir()}

    def write(self, rng):
        files = dict(self.original)
        name = rng.choice(sorted(files))
        archive = name.endswith(".npz")
        files[name] = (
            mutate_archive(files[name], rng) if archive else mutate_member(name, files[name], rng)
        )
        if name != "manifest.json" and rng.random() < 0.7:  # by somebody who can write hashes too
            manifest = json.loads(files["manifest.json"])
            manifest["sha256"][name] = hashlib.sha256(files[name]).hexdigest()
            files["manifest.json"] = json.dumps(manifest).encode()
        for name, content in files.items():
            (self.whole / name).write_bytes(content)

    def read(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.start().resume(self.model)
        if caught:
            raise ValueError(str(caught[0].message))

    def is_ours(self, error):
        return isinstance(error, ValueError) and str(self.whole) in str(error)


class SubsetReader:
    """The reader of the embedded data."""

    def __init__(self, folder):
        import numpy as np

        from keras_ccl.data import datasets

        self.path = folder / "mnist.npz"
        self.parse = lambda: datasets.read_subset("mnist", self.path, (28, 28, 1))
        x, y = np.zeros((5, 28, 28), np.uint8), np.zeros(5, np.uint8)
        np.savez_compressed(self.path, x_train=x, y_train=y, x_test=x, y_test=y)
        self.original = self.path.read_bytes()

    def write(self, rng):
        self.path.write_bytes(mutate_archive(self.original, rng))

    def read(self):
        self.parse()

    def is_ours(self, error):
        return isinstance(error, ValueError) and str(self.path) in str(error)


class OnnxReader:
    """`export/classify.py`: opens the classifier and classifies one image."""

    def __init__(self, folder):
        import numpy as np

        import keras_ccl as ccl

        sys.path.insert(0, str(Path(__file__).parents[1] / "export"))
        import classify

        self.classify, self.x = classify, np.zeros((1, 6), np.float32)
        model = _tiny_model()
        model.fit_tasks(_tasks(), epochs=1, verbose=0)
        ccl.export_student(model, folder / "export", formats="onnx")
        self.path = folder / "export" / "classifier.onnx"
        self.original = self.path.read_bytes()

    def write(self, rng):
        self.path.write_bytes(mutate(self.original, rng))

    def read(self):
        session, about = self.classify.load_classifier(self.path)
        self.classify.classify(session, self.x, about["class_names"])

    def is_ours(self, error):
        return isinstance(error, self.classify.InputError) and str(self.path) in str(error)


READERS = {
    "keras": KerasReader,
    "checkpoint": CheckpointReader,
    "subset": SubsetReader,
    "onnx": OnnxReader,
}


def _tiny_model():
    import keras_ccl as ccl

    networks = ccl.networks
    return ccl.CCLGM(
        (6,),
        3,
        latent_dim=2,
        prior_components=2,
        seed=0,
        encoder=networks.dense_encoder((6,), 2, units=(4,)),
        decoder=networks.dense_decoder((6,), 2, units=(4,)),
        classifier=networks.dense_classifier(3, 2, units=()),
    )


def _tasks():
    import numpy as np

    return [(np.tile(np.eye(6, dtype=np.float32), (4, 1)), np.arange(24) % 3)]


def _history():
    import keras_ccl as ccl

    history = ccl.TaskHistory(method="CCLGM", options={}, seed=0)
    history.append("task 1", [0.5], [100.0], {"loss": [1.0]})
    return history


def child(reader_name, seed, first, last, folder, keep):
    """Read file after file; a line before each, a line with what came of it."""
    warnings.simplefilter("ignore")
    reader = READERS[reader_name](folder)
    reader.read()  # the file as it was written must be read
    for k in range(first, last):
        reader.write(random.Random(f"{seed}/{reader_name}/{k}"))
        print(json.dumps({"file": k}), flush=True)
        found = {"file": k, "read": True}
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                reader.read()
        except Exception as error:
            found["read"] = False
            if not reader.is_ours(error):
                found["defect"] = f"{type(error).__name__}: {str(error)[:300]}"
                shutil.copytree(folder, keep / f"{reader_name}-{seed}-{k}", dirs_exist_ok=True)
        print(json.dumps(found), flush=True)


def lines_of(process):
    """A queue of the lines that a process prints, None at its end."""
    lines = queue.Queue()

    def pump():
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    return lines


def fuzz(reader_name, seed, files, keep):
    """All files of one reader: how many were read and refused, and the defects."""
    found, first = {"files": files, "read": 0, "refused": 0, "defects": []}, 0

    def defect(k, what, folder):
        found["defects"].append({"file": k, "what": what})
        shutil.copytree(folder, keep / f"{reader_name}-{seed}-{k}", dirs_exist_ok=True)

    while first < files:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--child", reader_name, "--seed", str(seed)]
            command += ["--first", str(first), "--files", str(files), "--folder", folder]
            command += ["--keep", str(keep)]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            lines, underway, patience = lines_of(process), None, STARTING
            while True:
                try:
                    line = lines.get(timeout=patience)
                except queue.Empty:
                    process.kill()
                    line = None
                    defect(underway, f"took longer than {patience} s", folder)
                else:
                    if line is None and underway is not None:
                        defect(underway, f"died with exit code {process.wait()}", folder)
                if line is None:
                    break
                told = json.loads(line)
                patience, underway = SECONDS, told["file"]
                if "read" in told:
                    underway, first = None, told["file"] + 1
                    found["read" if told["read"] else "refused"] += 1
                    patience = STARTING  # to write the next one
                    if "defect" in told:
                        found["defects"].append({"file": told["file"], "what": told["defect"]})
            process.wait()
            if underway is not None:
                first = underway + 1
            elif first < files and process.returncode:
                raise RuntimeError(f"{reader_name}: the process did not start: {' '.join(command)}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help="of each reader")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("out") / "fuzz")
    parser.add_argument("--quick", action="store_true", help="100 files of each")
    parser.add_argument("--child", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(
            arguments.child,
            arguments.seed,
            arguments.first,
            arguments.files,
            arguments.folder,
            arguments.keep,
        )
        return
    files = 100 if arguments.quick else arguments.files
    found = {}
    for name in arguments.readers:
        found[name] = fuzz(name, arguments.seed, files, arguments.keep)
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    print(json.dumps({"seed": arguments.seed, **found}))
    sys.exit(any(each["defects"] for each in found.values()))


if __name__ == "__main__":
    main()
