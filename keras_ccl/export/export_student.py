"""export_student: the final student as files, proved equal to it before anybody sees them."""

import hashlib
import json
import os
import shutil
import tempfile
from importlib import metadata as installed
from pathlib import Path

import numpy as np

from keras_ccl.data.validation import check_choice
from keras_ccl.export import serving
from keras_ccl.export.formats import FORMATS, OPSET, require
from keras_ccl.export.quantization import quantize as write_quantized
from keras_ccl.export.verification import compare, rows_to_compare

QUANTIZATIONS = (None, "int8")


def export_student(
    model,
    directory,
    *,
    formats=("saved_model", "onnx"),
    quantize=None,
    examples=None,
    class_names=None,
    overwrite=False,
):
    """Write the student's classifier and decoder (`serving`); teacher and optimizer stay behind.

    They compute in float32; so does the Keras model they are compared with, a copy of one that was
    trained in mixed precision.

    Every artefact is opened by its own runtime and compared with the Keras model, on random rows,
    on rows that the model generates, and on `examples`. The files appear in `directory` whole, or
    not at all.

    Args:
        model: a `JointVAE` or `CCLGM` that has learnt a task.
        directory: where; new or empty, unless `overwrite`.
        formats: of `"saved_model"`, `"onnx"`, `"litert"`.
        quantize: `"int8"` also writes `classifier.int8.onnx` (`quantization`).
        examples: (x [N, *input_shape], y [N]) to compare and to measure the accuracy on.
        class_names: K texts; the numbers of the classes by default.
        overwrite: whether what is in `directory` may be replaced.

    Returns:
        what `model.json` holds, a dict: the metadata; quantiles of the examples' familiarity; each
        artefact's size, SHA-256, worst differences, tolerances and accuracy.

    Raises:
        ValueError: for a model without a task, an unknown format, an operation that a format
            lacks, values that are not finite, a difference above the tolerance.
        FileExistsError: for a directory that is not empty; OSError: for one not to be written.
        ImportError: if a package of the extra `export` is missing.
    """
    directory = Path(directory)
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    _check(model, directory, formats, quantize, overwrite)
    about = describe(model, class_names)
    x, z, y = rows_to_compare(model, examples)
    student = model.in_float32()
    classifier, decoder = serving.classifier(student), serving.decoder(student)
    answers = _answers(classifier, x)
    parts = {
        "classifier": (classifier, x, answers, y),
        "decoder": (decoder, z, _answers(decoder, z), None),
    }
    directory.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    try:
        records = {}
        for part, to_serve in parts.items():
            records |= _write_part(aside, part, *to_serve, formats, quantize, about)
        about |= {
            "familiarity_of_examples": _familiarity(answers, y),
            "artefacts": records,
        }
        (aside / "model.json").write_text(json.dumps(about, indent=1, allow_nan=False))
        _put(aside, directory)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return about


def describe(model, class_names=None):
    """What travels with every artefact: a dict that JSON can hold.

    Raises:
        ValueError: for another number of names than classes.
    """
    names = [str(name) for name in class_names or range(model.num_classes)]
    if len(names) != model.num_classes:
        raise ValueError(f"class_names: expected {model.num_classes}, received {len(names)}")
    return {
        "keras_ccl": installed.version("keras-ccl"),
        "method": model.method_name,
        "tasks_seen": int(model.tasks_seen.numpy()),
        "input_shape": list(model.input_shape),
        "input_range": [0, 1] if model.data_spec.unit_range else None,
        "likelihood": model.likelihood,
        "latent_dim": model.latent_dim,
        "class_names": names,
        "opset": OPSET,
        "content_hash": content_hash(model),
    }


def content_hash(model):
    """SHA-256 of the student's weights and p(z): the same for the same student."""
    digest = hashlib.sha256()
    for part in (model.encoder, model.decoder, model.classifier, model.p_z):
        for weight in part.get_weights():
            digest.update(f"{weight.shape} {weight.dtype}".encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _check(model, directory, formats, quantize, overwrite):
    """Refuse what cannot be exported, before anything is written."""
    for name in formats:
        check_choice("formats", name, tuple(FORMATS))
    check_choice("quantize", quantize, QUANTIZATIONS)
    if not formats or (quantize and "onnx" not in formats):
        wanted = "'onnx' among them, for quantize" if quantize else "at least one"
        raise ValueError(f"formats: expected {wanted}; received {formats}")
    if not int(model.tasks_seen.numpy()):
        raise ValueError("expected a model that has learnt a task, received one with tasks_seen 0")
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(f"{directory}: expected a directory, received a file")
    if directory.is_dir() and any(directory.iterdir()) and not overwrite:
        raise FileExistsError(f"{directory}: not empty; overwrite=True replaces what is in it")
    require([package for name in formats for package in FORMATS[name].packages])


def _answers(served, rows):
    """What the Keras model says of rows: a dict of arrays."""
    return {key: value.numpy() for key, value in served.function(rows).items()}


def _write_part(folder, part, served, rows, expected, labels, formats, quantize, about):
    """Write and compare every artefact of one part: their records by file name."""
    records = {}

    def record(path, name, weights="float32"):
        run = FORMATS[name].open(path)
        exact = weights == "float32"
        found = compare(path.name, run, rows, expected, labels, exact=exact)
        known = {"format": name, "weights": weights, **_size_and_hash(path)}
        records[path.name] = {**known, **found}

    for name in formats:
        path = folder / f"{part}{FORMATS[name].suffix}"
        FORMATS[name].write(served, path, {**about, "part": part})
        record(path, name)
    if quantize and part == "classifier":
        path = folder / f"{part}.{quantize}.onnx"
        write_quantized(folder / f"{part}.onnx", path)
        record(path, "onnx", weights=quantize)
    return records


def _familiarity(answers, y):
    """Quantiles over the examples, nats: what a client may call familiar. None without examples."""
    if y is None:
        return None
    nats = answers["familiarity"][-len(y) :]
    return {f"{share}%": float(np.quantile(nats, share / 100)) for share in (1, 10, 50)}


def _size_and_hash(path):
    """Bytes and SHA-256 of a file, or of the files of a folder in order of their names."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    contents = [file.read_bytes() for file in files if file.is_file()]
    digest = hashlib.sha256(b"".join(contents)).hexdigest()
    return {"bytes": sum(map(len, contents)), "sha256": digest}


def _put(aside, directory):
    """Let the finished folder take its place in one move."""
    aside.chmod(0o755)
    if directory.is_dir() and any(directory.iterdir()):
        old = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.old."))
        os.replace(directory, old)
        os.replace(aside, directory)
        shutil.rmtree(old)
    else:
        os.replace(aside, directory)
