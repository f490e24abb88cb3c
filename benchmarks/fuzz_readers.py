"""The readers that fuzz.py tries: what each writes, mutates and reads, and what it may raise.

A reader is made with an empty folder, into which it writes a valid file. `write` mutates it, `read`
reads it, `is_ours` says whether an error is one that the reader promises.
"""

import hashlib
import json
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from mutations import mutate, mutate_archive, mutate_member

import keras_ccl as ccl
from keras_ccl.checkpointing import checkpoints
from keras_ccl.data import datasets

sys.path.insert(0, str(Path(__file__).parents[1] / "export"))
import classify

# The three uses of what `keras_ccl` does not export.


def open_run(model: ccl.CCLGM, folder: Path) -> Any:
    """The checkpoints of a run, as `fit_tasks` opens them."""
    return checkpoints.open_checkpoints(model, folder, keep_last=2, save_every=1)


def write_checkpoint(model: ccl.CCLGM, folder: Path, history: ccl.TaskHistory) -> None:
    """Save after one of two epochs of the task that follows those in the history."""
    run = open_run(model, folder)
    with run.in_use():
        run.note_start(model)
        run.save(model, task=len(history), epoch=1, epochs=2, history=history)


def read_subset(path: Path) -> None:
    """Read a file as the embedded data are read."""
    datasets.read_subset("mnist", path, (28, 28, 1))


class KerasReader:
    """`keras_ccl.load_model`."""

    def __init__(self, folder: Path) -> None:
        self.path, self.count = folder / "model.keras", 0
        tiny_model().save(self.path)
        self.original = self.path.read_bytes()

    def write(self, rng: random.Random) -> None:
        self.path.write_bytes(mutate_archive(self.original, rng))

    def read(self) -> None:
        self.count += 1
        if self.count % 50 == 0:
            keras.backend.clear_session()
        ccl.load_model(self.path)

    def is_ours(self, error: Exception) -> bool:
        return isinstance(error, ValueError) and str(self.path) in str(error)


class CheckpointReader:
    """What `fit_tasks` begins with when it resumes; a damaged checkpoint is a warning."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.model = folder / "run", tiny_model()
        self.model.fit_tasks(one_task(), epochs=1, verbose=0)
        history = ccl.TaskHistory(method="CCLGM", options={}, seed=0)
        history.append("task 1", [0.5], [100.0], {"loss": [1.0]})
        write_checkpoint(self.model, self.folder, history)
        (self.whole,) = self.folder.glob("0*")
        self.original = {path.name: path.read_bytes() for path in self.whole.iterdir()}

    def write(self, rng: random.Random) -> None:
        files = dict(self.original)
        name = rng.choice(sorted(files))
        if name.endswith(".npz"):
            files[name] = mutate_archive(files[name], rng)
        else:
            files[name] = mutate_member(name, files[name], rng)
        if name != "manifest.json" and rng.random() < 0.7:  # by somebody who can write hashes too
            manifest = json.loads(files["manifest.json"])
            manifest["sha256"][name] = hashlib.sha256(files[name]).hexdigest()
            files["manifest.json"] = json.dumps(manifest).encode()
        for name, content in files.items():
            (self.whole / name).write_bytes(content)

    def read(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = open_run(self.model, self.folder)
            with run.in_use():
                run.resume(self.model)
        if caught:
            raise ValueError(str(caught[0].message))

    def is_ours(self, error: Exception) -> bool:
        return isinstance(error, ValueError) and str(self.whole) in str(error)


class SubsetReader:
    """The reader of the embedded data."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mnist.npz"
        x, y = np.zeros((5, 28, 28), np.uint8), np.zeros(5, np.uint8)
        np.savez_compressed(self.path, x_train=x, y_train=y, x_test=x, y_test=y)
        self.original = self.path.read_bytes()

    def write(self, rng: random.Random) -> None:
        self.path.write_bytes(mutate_archive(self.original, rng))

    def read(self) -> None:
        read_subset(self.path)

    def is_ours(self, error: Exception) -> bool:
        return isinstance(error, ValueError) and str(self.path) in str(error)


class OnnxReader:
    """`export/classify.py`: opens the classifier and classifies one image."""

    def __init__(self, folder: Path) -> None:
        self.x = np.zeros((1, 6), np.float32)
        model = tiny_model()
        model.fit_tasks(one_task(), epochs=1, verbose=0)
        ccl.export_student(model, folder / "export", formats="onnx")
        self.path = folder / "classifier.onnx"  # beside model.json its SHA-256 would be checked
        self.original = (folder / "export" / self.path.name).read_bytes()
        self.path.write_bytes(self.original)

    def write(self, rng: random.Random) -> None:
        self.path.write_bytes(mutate(self.original, rng))

    def read(self) -> None:
        session, about = classify.load_classifier(self.path)
        classify.classify(session, self.x, about)

    def is_ours(self, error: Exception) -> bool:
        return isinstance(error, classify.InputError) and str(self.path) in str(error)


READERS = {
    "keras": KerasReader,
    "checkpoint": CheckpointReader,
    "subset": SubsetReader,
    "onnx": OnnxReader,
}


def tiny_model() -> ccl.CCLGM:
    """A model of a few units, quick to write and to read."""
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


def one_task() -> list[tuple[np.ndarray, np.ndarray]]:
    """A stream of one task with 24 rows."""
    return [(np.tile(np.eye(6, dtype=np.float32), (4, 1)), np.arange(24) % 3)]
