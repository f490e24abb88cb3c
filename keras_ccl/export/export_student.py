"""export_student: the final student as files, verified against the Keras model first."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_ccl.data.validation import check_choice
from keras_ccl.export import serving
from keras_ccl.export.description import Student, describe
from keras_ccl.export.formats import FORMATS, require_packages
from keras_ccl.export.quantization import quantize as write_quantized
from keras_ccl.export.verification import (
    compare,
    inputs_to_compare,
    latents_to_compare,
)
from keras_ccl.models.closed_form_head import ClosedFormHead

QUANTIZATIONS = (None, "int8")


class _Part(NamedTuple):
    """A function to export, and what to compare its artefacts with.

    Attributes:
        served: The function.
        rows: Its inputs.
        expected: The outputs of the Keras model for them, by name.
        labels: The labels of the last rows, or None.
    """

    served: serving.Served
    rows: np.ndarray
    expected: dict[str, np.ndarray]
    labels: np.ndarray | None = None


def export_student(
    model: Student,
    directory: str | os.PathLike,
    *,
    formats: str | Sequence[str] = ("saved_model", "onnx"),
    quantize: str | None = None,
    examples: tuple[np.ndarray, np.ndarray] | None = None,
    class_names: Sequence[str] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Export the classifier and the decoder of the student, without teacher and optimizer.

    Every artefact is opened by its own runtime and compared with the Keras model on random inputs,
    on generated ones, and on `examples`. The files appear in `directory` all at once or not at all.

    Of a model that is calibrated the classifier answers calibrated probabilities too.

    The artefacts compute in float32. So does the Keras model that they are compared with, which is
    a copy if the model was trained in mixed precision. A head in closed form has no decoder.

    Args:
        model: A model that has learnt at least one task.
        directory: The folder to write, new or empty unless `overwrite` is set.
        formats: Keys of `formats.FORMATS`: `"saved_model"`, `"onnx"`, `"litert"`.
        quantize: `"int8"` also writes `classifier.int8.onnx`, with 8-bit weights.
        examples: Inputs `[N, *input_shape]` and labels `[N]` to compare on, and to measure the
            accuracy on.
        class_names: The name of each of the K classes; by default `model.class_names`.
        overwrite: Whether the content of `directory` may be replaced.

    Returns:
        The content of `model.json`: metadata; quantiles of the familiarity of the examples; and,
            for each artefact, its size, SHA-256, worst differences, tolerances and accuracy.

    Raises:
        ValueError: If the model has not learnt a task, an option is unknown, a format lacks an
            operation, an output is not finite, or a difference exceeds the tolerance.
        FileExistsError: If the directory is not empty.
        NotADirectoryError: If it is a file.
        OSError: If it cannot be written.
        ImportError: If a package of the extra `export` is missing.
    """
    directory = Path(directory)
    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    _check_request(model, directory, formats, quantize, overwrite)
    about = describe(model, class_names)
    parts = _parts_to_export(model, examples)
    directory.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}."))
    try:
        records: dict[str, Any] = {}
        for name, part in parts.items():
            records |= _write_part(aside, name, part, formats, quantize, about)
        about |= {
            "familiarity_of_examples": _familiarity_quantiles(parts["classifier"]),
            "artefacts": records,
        }
        (aside / "model.json").write_text(json.dumps(about, indent=1, allow_nan=False))
        _move_into_place(aside, directory)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return about


def _check_request(
    model: Student,
    directory: Path,
    formats: Sequence[str],
    quantize: str | None,
    overwrite: bool,
) -> None:
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
    require_packages([package for name in formats for package in FORMATS[name].packages])


def _parts_to_export(
    model: Student, examples: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, _Part]:
    """Return the classifier, and the decoder where there is one, by the names of their files."""
    x, y = inputs_to_compare(model, examples)
    temperature = model.calibration.temperature if model.calibration else None
    if isinstance(model, ClosedFormHead):
        head = serving.head(model, temperature)
        return {"classifier": _Part(head, x, _keras_outputs(head, x), y)}
    z = latents_to_compare(model)
    student = model.in_float32()
    classifier, decoder = serving.classifier(student, temperature), serving.decoder(student)
    return {
        "classifier": _Part(classifier, x, _keras_outputs(classifier, x), y),
        "decoder": _Part(decoder, z, _keras_outputs(decoder, z)),
    }


def _keras_outputs(served: serving.Served, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Run the Keras model on rows; return its outputs by name."""
    return {key: value.numpy() for key, value in served.function(rows).items()}


def _write_part(
    folder: Path,
    name: str,
    part: _Part,
    formats: Sequence[str],
    quantize: str | None,
    about: dict[str, Any],
) -> dict[str, Any]:
    """Write and compare every artefact of a part; return their records by file name."""
    records = {}

    def record(path: Path, key: str, weights: str = "float32") -> None:
        exact = weights == "float32"
        run = FORMATS[key].open(path)
        found = compare(
            path.name,
            run,
            part.rows,
            part.expected,
            part.labels,
            tolerance=part.served.tolerance,
            exact=exact,
        )
        known = {"format": key, "weights": weights, **_size_and_hash(path)}
        records[path.name] = {**known, **found}

    for key in formats:
        path = folder / f"{name}{FORMATS[key].suffix}"
        FORMATS[key].write(part.served, path, {**about, "part": name})
        record(path, key)
    if quantize and name == "classifier":
        path = folder / f"{name}.{quantize}.onnx"
        write_quantized(folder / f"{name}.onnx", path)
        record(path, "onnx", weights=quantize)
    return records


def _familiarity_quantiles(classifier: _Part) -> dict[str, float] | None:
    """Return quantiles of the familiarity of the examples, in nats; None where either lacks."""
    if classifier.labels is None or "familiarity" not in classifier.expected:
        return None
    nats = classifier.expected["familiarity"][-len(classifier.labels) :]
    return {f"{share}%": float(np.quantile(nats, share / 100)) for share in (1, 10, 50)}


def _size_and_hash(path: Path) -> dict[str, Any]:
    """Return size and SHA-256 of a file, or of the files of a folder in order of their names."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    contents = [file.read_bytes() for file in files if file.is_file()]
    digest = hashlib.sha256(b"".join(contents)).hexdigest()
    return {"bytes": sum(map(len, contents)), "sha256": digest}


def _move_into_place(aside: Path, directory: Path) -> None:
    """Move the finished folder to where it belongs in one step."""
    aside.chmod(0o755)
    if directory.is_dir() and any(directory.iterdir()):
        old = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.old."))
        os.replace(directory, old)
        os.replace(aside, directory)
        shutil.rmtree(old)
    else:
        os.replace(aside, directory)
