"""Classify images with an exported classifier: NumPy, Pillow and ONNX Runtime, no TensorFlow.

    python classify.py classifier.onnx IMAGE...          # PNG or other images, .npy, or folders

A .npy file holds one input of the model's shape, or [N, *shape]. The familiarity is a bound on
log p(x), nats: low for an input unlike anything learnt.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
BATCH = 256


class InputError(Exception):
    """An input that does not fit the model, or a file that cannot be read."""


def load_classifier(path: Path) -> tuple[onnxruntime.InferenceSession, dict[str, Any]]:
    """Open an exported classifier.

    Args:
        path: The ONNX file.

    Returns:
        The session that runs it.
        Its metadata.

    Raises:
        InputError: If it is not an ONNX file, or not one that keras_ccl exported.
    """
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the errors of ONNX Runtime have no common base class
        raise InputError(f"{path}: not a readable ONNX file: {_first_line(error)}") from error
    try:
        texts = session.get_modelmeta().custom_metadata_map
        about = {key: json.loads(text) for key, text in texts.items()}
        ours = about["part"] == "classifier" and len(about["input_shape"]) > 0
        ours = ours and len(about["class_names"]) > 0 and "input_range" in about
    except (KeyError, TypeError, ValueError):
        ours = False
    if not ours:
        raise InputError(f"{path}: expected a classifier exported by keras_ccl")
    try:
        classify(session, np.zeros((1, *about["input_shape"]), np.float32), about["class_names"])
    except Exception as error:  # a damaged graph may load and fail only when it runs
        raise InputError(f"{path}: the classifier does not work: {_first_line(error)}") from error
    return session, about


def files_in(paths: Iterable[Path]) -> list[Path]:
    """List the files to classify.

    Args:
        paths: Files, and folders whose images and .npy files are taken in the order of their names.

    Returns:
        The files.

    Raises:
        InputError: If a path does not exist, or a folder holds no inputs.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in {*IMAGES, ".npy"})
            if not inside:
                raise InputError(f"{path}: expected images or .npy files in it, found none")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    return found


def read_inputs(path: Path, about: dict[str, Any]) -> np.ndarray:
    """Read the inputs in one file.

    Args:
        path: An image or an .npy file.
        about: The metadata of the classifier.

    Returns:
        The inputs, float32 `[N, *input_shape]`.

    Raises:
        InputError: If they do not fit the classifier; the error says what was expected and what
            was received.
    """
    shape = tuple(about["input_shape"])
    x = _read_npy(path, shape) if path.suffix.lower() == ".npy" else _read_image(path, shape)
    if not np.isfinite(x).all():
        raise InputError(f"{path}: expected finite values, received NaN or infinite ones")
    if about["input_range"] is not None:
        low, high = about["input_range"]
        if x.min() < low or x.max() > high:
            raise InputError(
                f"{path}: expected values from {low} to {high}, received {x.min()} to {x.max()}"
            )
    return x


def _read_npy(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        x = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable .npy file: {_first_line(error)}") from error
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiub":
        raise InputError(f"{path}: expected an array of numbers")
    if x.shape == shape:
        x = x[np.newaxis]
    if x.shape[1:] != shape or not len(x):
        raise InputError(f"{path}: expected shape {shape} or (N, *{shape}), received {x.shape}")
    return x.astype(np.float32) / (np.float32(255) if x.dtype == np.uint8 else np.float32(1))


def _read_image(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InputError(f"{path}: the model expects inputs of shape {shape}, not images: use .npy")
    try:
        with Image.open(path) as image:
            image.load()
            bands, size = image.getbands(), image.size
            pixels = np.asarray(image.convert("L" if shape[2] == 1 else "RGB"), np.float32)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image: {_first_line(error)}") from error
    if size != (shape[1], shape[0]):
        raise InputError(
            f"{path}: expected {shape[1]} x {shape[0]} pixels, received {size[0]} x {size[1]}"
        )
    kind = "grey" if bands in (("L",), ("1",), ("I",), ("I;16",)) else "colour"
    expected = "grey" if shape[2] == 1 else "colour"
    if kind != expected:
        raise InputError(f"{path}: expected a {expected} image, received a {kind} one {bands}")
    return pixels.reshape(1, *shape) / np.float32(255)


def classify(
    session: onnxruntime.InferenceSession, x: np.ndarray, class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Classify inputs.

    Args:
        session: The session of the classifier.
        x: The inputs, float32 `[N, *input_shape]`.
        class_names: The name of each class.

    Returns:
        For each input its `label`, `probability`, `familiarity` in nats, and the `probabilities` of
            all classes.
    """
    outputs = ["probabilities", "familiarity"]
    parts = [session.run(outputs, {"x": x[i : i + BATCH]}) for i in range(0, len(x), BATCH)]
    probabilities, familiarity = (np.concatenate(part) for part in zip(*parts, strict=True))
    return [
        {
            "label": class_names[int(row.argmax())],
            "probability": float(row.max()),
            "familiarity": float(nats),
            "probabilities": dict(zip(class_names, row.tolist(), strict=True)),
        }
        for row, nats in zip(probabilities, familiarity, strict=True)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("classifier", type=Path, help="classifier.onnx")
    parser.add_argument("inputs", type=Path, nargs="+", help="images, .npy files, folders")
    parser.add_argument("--json", action="store_true", help="one JSON list, for machines")
    arguments = parser.parse_args()
    answers = []
    try:
        session, about = load_classifier(arguments.classifier)
        for path in files_in(arguments.inputs):
            found = classify(session, read_inputs(path, about), about["class_names"])
            names = [str(path)] if len(found) == 1 else [f"{path}[{i}]" for i in range(len(found))]
            answers += [{"input": name, **each} for name, each in zip(names, found, strict=True)]
    except InputError as error:
        print(f"classify: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(answers, indent=1))
    else:
        for a in answers:
            told = f"{a['label']:<12} {a['probability']:7.2%}  familiarity {a['familiarity']:9.2f}"
            print(f"{a['input']}: {told} nats")
    return 0


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
