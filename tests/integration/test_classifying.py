"""`export/classify.py`: what it reads, and one line for what it does not."""

import json
import struct
import zlib

import numpy as np
import onnx
import pytest
from checks import run_here
from PIL import Image

pytestmark = pytest.mark.graph
CLASSIFY = "export/classify.py"


def png_of_size(width, height):
    """A PNG that claims a size; nothing behind its header can be decoded."""
    chunk = b"IHDR" + struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 4) + b"IDAT" + bytes(8)


def npy_of(header):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def bad_inputs(folder):
    """Files that the classifier cannot take, and what the error must tell."""
    Image.new("L", (30, 28)).save(folder / "size.png")
    Image.new("RGB", (28, 28)).save(folder / "colour.png")
    Image.new("F", (28, 28)).save(folder / "float.tiff")
    Image.new("L", (28, 28)).save(folder / "postscript.eps")
    (folder / "postscript.eps").rename(folder / "postscript.png")
    (folder / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n no image")
    (folder / "huge.png").write_bytes(png_of_size(13_000, 13_000))
    (folder / "text.npy").write_text("no array")
    (folder / "header.npy").write_bytes(npy_of("{'descr': (("))
    (folder / "archive.npy").write_bytes(b"PK\x03\x04" + bytes(60))
    huge = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 28, 28, 1)}"
    (folder / "huge.npy").write_bytes(npy_of(huge))
    np.save(folder / "object.npy", np.array([{}], object), allow_pickle=True)
    np.save(folder / "shape.npy", np.zeros((28, 27, 1)))
    np.save(folder / "none.npy", np.zeros((0, 28, 28, 1)))
    np.save(folder / "range.npy", np.full((28, 28, 1), 255.0))
    np.save(folder / "nan.npy", np.full((28, 28, 1), np.nan))
    (folder / "empty").mkdir()
    return {
        "size.png": "expected 28 x 28 pixels, received 30 x 28",
        "colour.png": "expected a grey image, received a colour one (RGB)",
        "float.tiff": "expected a grey image, received a different one (F)",
        "postscript.png": "not a readable image",
        "corrupt.png": "not a readable image",
        "huge.png": "expected 28 x 28 pixels, received 13000 x 13000",
        "text.npy": "not a readable .npy file",
        "header.npy": "not a readable .npy file",
        "archive.npy": "not a readable .npy file",
        "huge.npy": "not a readable .npy file",
        "object.npy": "not a readable .npy file",
        "shape.npy": "expected shape (28, 28, 1)",
        "none.npy": "expected shape (28, 28, 1)",
        "range.npy": "expected values from 0 to 1, received 255.0",
        "nan.npy": "expected finite values",
        "empty": "expected images or .npy files in it, found none",
        "missing.png": "no such file or folder",
    }


def refused(done, message):
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not done.stdout


def test_a_bad_input_is_one_line_and_the_others_are_answered(work, classify, tmp_path):
    bad, good = bad_inputs(tmp_path), work / "images/0.png"
    done = classify(work / "out/classifier.onnx", *(tmp_path / name for name in bad), good)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    for line, (name, message) in zip(lines, bad.items(), strict=True):
        assert line.startswith(f"classify: {tmp_path / name}: {message}")
    (answered,) = done.stdout.splitlines()
    assert answered.startswith(f"{good}: ")


@pytest.mark.parametrize("mode", ["I;16", "1"])
def test_an_image_of_another_depth_is_read_as_the_same_image(mode, work, tmp_path):
    pixels = np.asarray(Image.open(work / "images/0.png"))
    if mode == "1":
        pixels = np.where(pixels > 127, np.uint8(255), np.uint8(0))
        Image.fromarray(pixels).convert("1").save(tmp_path / "other.png")
    else:
        Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / "other.png")
    Image.fromarray(pixels).save(tmp_path / "same.png")
    inputs = [tmp_path / "other.png", tmp_path / "same.png"]
    done = run_here(CLASSIFY, work / "out/classifier.onnx", *inputs, "--json")
    other, same = json.loads(done.stdout)
    assert other["probabilities"] == same["probabilities"]


def test_another_file_than_model_json_describes_is_refused(work, tmp_path):
    for name in ("classifier.onnx", "model.json"):
        (tmp_path / name).write_bytes((work / "out" / name).read_bytes())
    path, image = tmp_path / "classifier.onnx", work / "images/0.png"
    assert run_here(CLASSIFY, path, image).returncode == 0
    model = onnx.load(path)
    model.producer_name = "another"
    onnx.save(model, path)
    refused(run_here(CLASSIFY, path, image), "its SHA-256 differs")
    (tmp_path / "model.json").write_text("[")
    refused(run_here(CLASSIFY, path, image), "cannot be read")
    (tmp_path / "model.json").unlink()
    assert run_here(CLASSIFY, path, image).returncode == 0


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("input_shape", "[1000000000]"),
        ("input_shape", '"28"'),
        ("input_range", "[0]"),
        ("class_names", '"0123456789"'),
        ("class_names", '["a"]'),
        ("part", "[" * 100_000),
        ("calibration", "[1]"),
        ("calibration", '{"threshold": "low"}'),
    ],
)
def test_odd_metadata_are_one_line(key, text, work, tmp_path):
    model = onnx.load(work / "out/classifier.onnx")
    for entry in model.metadata_props:
        entry.value = text if entry.key == key else entry.value
    onnx.save(model, tmp_path / "odd.onnx")
    done = run_here(CLASSIFY, tmp_path / "odd.onnx", work / "images/0.png")
    refused(done, "odd.onnx: ")


def test_a_graph_that_can_be_read_and_not_run_is_refused(work, classify, tmp_path):
    """Found by benchmarks/fuzz.py: a shape within the graph that no longer fits."""
    model = onnx.load(work / "out/classifier.onnx")
    constants = {constant.name: constant for constant in model.graph.initializer}
    shape = next(
        constants[node.input[1]]
        for node in model.graph.node
        if node.op_type == "Reshape" and node.input[1] in constants
    )
    wrong = np.full_like(onnx.numpy_helper.to_array(shape), 7)
    shape.CopyFrom(onnx.numpy_helper.from_array(wrong, shape.name))
    onnx.save(model, tmp_path / "damaged.onnx")
    done = classify(tmp_path / "damaged.onnx", work / "rows.npy")
    refused(done, "damaged.onnx: ")


def test_a_file_that_is_not_our_classifier_is_refused(work, classify, tmp_path):
    (tmp_path / "corrupt.onnx").write_bytes(b"no model")
    for path, message in (
        (tmp_path / "corrupt.onnx", "not a readable ONNX file"),
        (work / "out/decoder.onnx", "expected a classifier exported by keras_ccl"),
    ):
        refused(classify(path, work / "images"), message)
