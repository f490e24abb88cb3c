"""Classify images with an exported classifier: NumPy, Pillow and ONNX Runtime, no TensorFlow.

    python classify.py classifier.onnx IMAGE...          # PNG or other images, .npy, or folders

A .npy file holds one input of the model's shape, or [N, *shape]. The familiarity, nats, is low for
an input unlike anything learnt; below its threshold a calibrated model calls it unfamiliar. What
cannot be read is one line on stderr; the others are answered, and the exit code is 2.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
"""What Pillow may take a file for, whatever its name: no format that starts another program."""
WHITE = {"1": 1, "L": 255, "I;16": 65535, "I;16L": 65535, "I;16B": 65535}
"""The value of white in each mode of grey images."""
COLOUR = ("RGB", "RGBA", "RGBX", "P", "CMYK", "YCbCr", "LAB", "HSV")
BATCH = 256

Image.MAX_IMAGE_PIXELS = None  # sizes are compared with the model's before anything is decoded


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
        InputError: If keras_ccl did not export it, or not as a model.json beside it says.
    """
    content = _read_verified(path)
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # the errors of ONNX Runtime have no common base class
        raise InputError(f"{path}: not a readable ONNX file: {_first_line(error)}") from error
    try:
        texts = session.get_modelmeta().custom_metadata_map
        about = {key: json.loads(text) for key, text in texts.items()}
        ours = _is_classifier(about) and session.get_inputs()[0].shape[1:] == about["input_shape"]
    except (KeyError, TypeError, ValueError, RecursionError):
        ours = False
    if not ours:
        raise InputError(f"{path}: expected a classifier exported by keras_ccl")
    try:
        classify(session, np.zeros((1, *about["input_shape"]), np.float32), about)
    except Exception as error:  # a damaged graph may load and fail only when it runs
        raise InputError(f"{path}: the classifier does not work: {_first_line(error)}") from error
    return session, about


def _read_verified(path: Path) -> bytes:
    """Read an artefact, and compare it with its SHA-256 where a model.json beside it has one."""
    try:
        content = path.read_bytes()
        beside = path.with_name("model.json")
        about = json.loads(beside.read_bytes()) if beside.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {_first_line(error)}") from error
    artefacts = about.get("artefacts") if isinstance(about, dict) else None
    record = artefacts.get(path.name) if isinstance(artefacts, dict) else None
    if isinstance(record, dict) and record.get("sha256") != hashlib.sha256(content).hexdigest():
        raise InputError(f"{path}: not the file that {beside} describes: its SHA-256 differs")
    return content


def _is_classifier(about: dict[str, Any]) -> bool:
    """Whether metadata are those of a classifier of ours."""
    shape, names = about["input_shape"], about["class_names"]
    return (
        about["part"] == "classifier"
        and (about["input_range"], about.get("white", 1)) in (([0, 1], 1), (None, 1), (None, 255))
        and all(isinstance(part, list) and part for part in (shape, names))
        and all(isinstance(size, int) for size in shape)
        and all(isinstance(name, str) for name in names)
    )


def files_in(path: Path) -> list[Path]:
    """List the images and .npy files of a folder by name; for a file, or where none are, itself."""
    inside = path.iterdir() if path.is_dir() else ()
    return sorted(p for p in inside if p.suffix.lower() in {*IMAGES, ".npy"}) or [path]


def read_inputs(path: Path, about: dict[str, Any]) -> np.ndarray:
    """Read the inputs in one file.

    Args:
        path: An image or an .npy file.
        about: The metadata of the classifier.

    Returns:
        The inputs, float32 `[N, *input_shape]`.

    Raises:
        InputError: If they do not fit the classifier; the error says what was expected.
    """
    if path.is_dir():
        raise InputError(f"{path}: expected images or .npy files in it, found none")
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder")
    shape, white = tuple(about["input_shape"]), about.get("white", 1)
    x = (_read_npy if path.suffix.lower() == ".npy" else _read_image)(path, shape, white)
    if not np.isfinite(x).all():
        raise InputError(f"{path}: expected finite values, received NaN or infinite ones")
    if about["input_range"] is not None:
        low, high = about["input_range"]
        if x.min() < low or x.max() > high:
            raise InputError(
                f"{path}: expected values from {low} to {high}, received {x.min()} to {x.max()}"
            )
    return x


def _read_npy(path: Path, shape: tuple[int, ...], white: int) -> np.ndarray:
    try:  # mapped, a header cannot ask for more than the file holds
        x = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises many types
        raise InputError(f"{path}: not a readable .npy file: {_first_line(error)}") from error
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiub":
        raise InputError(f"{path}: expected an array of numbers")
    if x.shape == shape:
        x = x[np.newaxis]
    if x.shape[1:] != shape or not len(x):
        raise InputError(f"{path}: expected shape {shape} or (N, *{shape}), received {x.shape}")
    return x.astype(np.float32) / np.float32(255 / white if x.dtype == np.uint8 else 1)


def _read_image(path: Path, shape: tuple[int, ...], white: int) -> np.ndarray:
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InputError(f"{path}: the model expects inputs of shape {shape}, not images: use .npy")
    height, width, channels = shape
    try:
        with Image.open(path, formats=FORMATS) as image:  # reads the header alone
            mode, size = image.mode, image.size
            if mode == "I" and image.format == "PNG":  # 16 bits, in Pillow before version 11
                mode = "I;16"
            kind = "grey" if mode in WHITE else "colour" if mode in COLOUR else "different"
            expected = "grey" if channels == 1 else "colour"
            if size == (width, height) and kind == expected:
                pixels = np.asarray(image if kind == "grey" else image.convert("RGB"))
    except Exception as error:  # a damaged image raises many types
        raise InputError(f"{path}: not a readable image: {_first_line(error)}") from error
    if size != (width, height):
        found = " x ".join(map(str, size))
        raise InputError(f"{path}: expected {width} x {height} pixels, received {found}")
    if kind != expected:
        raise InputError(f"{path}: expected a {expected} image, received a {kind} one ({mode})")
    return pixels.reshape(1, *shape).astype(np.float32) / np.float32(WHITE.get(mode, 255) / white)


def classify(
    session: onnxruntime.InferenceSession, x: np.ndarray, about: dict[str, Any]
) -> list[dict[str, Any]]:
    """Classify inputs.

    Args:
        session: The session of the classifier.
        x: The inputs, float32 `[N, *input_shape]`.
        about: Its metadata.

    Returns:
        For each input its `label`, `probability`, `familiarity` in nats (or None), whether it is
            `familiar` (None of a model not calibrated), and the `probabilities` of all classes.
    """
    given, names = {o.name for o in session.get_outputs()}, about["class_names"]
    shares = "calibrated_probabilities" if "calibrated_probabilities" in given else "probabilities"
    outputs = [shares, *(given & {"familiarity"})]
    least = (about.get("calibration") or {}).get("threshold")
    parts = [session.run(outputs, {"x": x[i : i + BATCH]}) for i in range(0, len(x), BATCH)]
    probabilities, *nats = (np.concatenate(part) for part in zip(*parts, strict=True))
    return [
        {
            "label": names[int(row.argmax())],
            "probability": float(row.max()),
            "familiarity": float(nats[0][i]) if nats else None,
            "familiar": None if least is None else bool(nats[0][i] >= least),
            "probabilities": dict(zip(names, row.tolist(), strict=True)),
        }
        for i, row in enumerate(probabilities)
    ]


def answer(
    paths: Sequence[Path], session: onnxruntime.InferenceSession, about: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The answers of `classify` for files and folders, each with its `input`; and the errors."""
    answers, errors = [], []
    for file in [file for path in paths for file in files_in(path)]:
        try:
            found = classify(session, read_inputs(file, about), about)
        except InputError as error:
            errors.append(str(error))
            continue
        names = [str(file)] if len(found) == 1 else [f"{file}[{i}]" for i in range(len(found))]
        answers += [{"input": name, **each} for name, each in zip(names, found, strict=True)]
    return answers, errors


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("classifier", type=Path, help="classifier.onnx")
    parser.add_argument("inputs", type=Path, nargs="+", help="images, .npy files, folders")
    parser.add_argument("--json", action="store_true", help="one JSON list, for machines")
    arguments = parser.parse_args()
    try:
        session, about = load_classifier(arguments.classifier)
    except InputError as error:
        print(f"classify: {error}", file=sys.stderr)
        return 2
    answers, errors = answer(arguments.inputs, session, about)
    print(*(f"classify: {error}\n" for error in errors), sep="", end="", file=sys.stderr)
    if arguments.json:
        print(json.dumps(answers, indent=1))
    else:
        for a in answers:
            familiar = "" if (f := a["familiarity"]) is None else f"  familiarity {f:9.2f} nats"
            unlike = "  unfamiliar" if a["familiar"] is False else ""
            print(f"{a['input']}: {a['label']:<12} {a['probability']:7.2%}{familiar}{unlike}")
    return 2 if errors else 0


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
