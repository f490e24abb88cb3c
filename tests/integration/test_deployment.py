"""From a saved model to answers where there is no TensorFlow, through the two scripts."""

import functools
import json
import subprocess
import sys
import venv
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from checks import run_here, run_script
from PIL import Image

import keras_ccl as ccl

pytestmark = pytest.mark.graph
EXPORT, CLASSIFY = "export/export_student.py", "export/classify.py"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A saved model, its export by the script, and images to classify."""
    folder = tmp_path_factory.mktemp("deployment")
    data = ccl.datasets.load("mnist")
    x, y = (part[:1000] for part in data.train)
    model = ccl.CCLGM((28, 28, 1), 10, latent_dim=8, prior_components=2, seed=0)
    model.fit_tasks([(x, y)], epochs=2, verbose=0)
    model.save(folder / "model.keras")
    np.savez(folder / "examples.npz", x=x, y=y)
    examples = ["--examples", folder / "examples.npz"]
    done = run_here(EXPORT, folder / "model.keras", folder / "out", *examples)
    assert done.returncode == 0, done.stderr
    accuracy = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]
    assert "classifier.onnx" in done.stdout and f"accuracy {accuracy:.4f}" in done.stdout
    (folder / "images").mkdir()
    for k in range(3):
        pixels = np.round(x[k, ..., 0] * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{k}.png")
    np.save(folder / "rows.npy", x[:5])
    return folder


ABSENT = ("tensorflow", "keras", "keras_ccl")


def with_absent_blocked(folder):
    """This environment, in which an import of what is to be absent fails."""
    block = f"import sys; sys.modules.update(dict.fromkeys({ABSENT}))"
    (folder / "sitecustomize.py").write_text(block)
    return {"python": sys.executable, "PYTHONPATH": str(folder)}


def bare(folder):
    """An environment with NumPy, Pillow and ONNX Runtime, and nothing of ours."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    packages = ["numpy", "pillow", "onnxruntime"]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return {"python": python, "PYTHONPATH": ""}


@pytest.fixture(
    scope="module", params=[with_absent_blocked, pytest.param(bare, marks=pytest.mark.network)]
)
def classify(request, tmp_path_factory):
    """classify.py where TensorFlow, Keras and keras_ccl cannot be imported."""
    where = request.param(tmp_path_factory.mktemp("classify"))
    check = tmp_path_factory.mktemp("absent") / "absent.py"
    for absent in ABSENT:
        check.write_text(f"import {absent}")
        assert "ModuleNotFoundError" in run_script(check, **where).stderr
    return functools.partial(run_script, CLASSIFY, **where)


def test_without_tensorflow_the_answers_are_those_of_keras(work, classify):
    inputs = [work / "images", work / "rows.npy"]
    done = classify(work / "out/classifier.onnx", *inputs, "--json")
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [Path(a["input"]).name for a in answers] == [
        *(f"{k}.png" for k in range(3)),
        *(f"rows.npy[{k}]" for k in range(5)),
    ]
    x, _ = ccl.datasets.load("mnist").train
    model = keras.saving.load_model(work / "model.keras")
    expected = model.predict(np.concatenate([x[:3], x[:5]]), verbose=0)
    found = [[a["probabilities"][str(k)] for k in range(10)] for a in answers]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [a["label"] for a in answers] == [str(k) for k in expected.argmax(1)]
    assert all(np.isfinite(a["familiarity"]) for a in answers)
    told = classify(work / "out/classifier.onnx", work / "images/0.png")
    assert f"0.png: {answers[0]['label']} " in told.stdout and "nats" in told.stdout


def test_noise_is_less_familiar_than_a_digit(work, tmp_path):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).uniform(size=(28, 28, 1)))
    inputs = [work / "images/0.png", tmp_path / "noise.npy"]
    done = run_here(CLASSIFY, work / "out/classifier.onnx", *inputs, "--json")
    digit, noise = (answer["familiarity"] for answer in json.loads(done.stdout))
    assert digit > noise + 100


def bad_inputs(folder):
    """Files that the classifier cannot take, and what the error must tell."""
    Image.new("L", (30, 28)).save(folder / "size.png")
    Image.new("RGB", (28, 28)).save(folder / "colour.png")
    (folder / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n no image")
    (folder / "text.npy").write_text("no array")
    np.save(folder / "object.npy", np.array([{}], object), allow_pickle=True)
    np.save(folder / "shape.npy", np.zeros((28, 27, 1)))
    np.save(folder / "range.npy", np.full((28, 28, 1), 255.0))
    np.save(folder / "nan.npy", np.full((28, 28, 1), np.nan))
    (folder / "empty").mkdir()
    return {
        "size.png": "expected 28 x 28 pixels, received 30 x 28",
        "colour.png": "expected a grey image, received a colour one",
        "corrupt.png": "not a readable image",
        "text.npy": "not a readable .npy file",
        "object.npy": "not a readable .npy file",
        "shape.npy": "expected shape (28, 28, 1)",
        "range.npy": "expected values from 0 to 1, received 255.0",
        "nan.npy": "expected finite values",
        "empty": "expected images or .npy files in it, found none",
        "missing.png": "no such file or folder",
    }


def refused(done, message):
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not done.stdout


def test_a_bad_input_is_one_clear_error(work, classify, tmp_path):
    for name, message in bad_inputs(tmp_path).items():
        done = classify(work / "out/classifier.onnx", tmp_path / name)
        refused(done, message)
        assert name in done.stderr


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


def test_a_model_that_cannot_be_exported_is_refused(work, tmp_path):
    fresh = ccl.CCLGM((4,), 2, latent_dim=2)
    fresh.save(tmp_path / "fresh.keras")
    (tmp_path / "corrupt.keras").write_bytes(b"no model")
    for name, message in (
        ("fresh.keras", "has learnt a task"),
        ("corrupt.keras", "corrupt.keras"),
        ("missing.keras", "missing.keras"),
    ):
        done = run_here(EXPORT, tmp_path / name, tmp_path / "out")
        refused(done, message)
    assert not (tmp_path / "out").exists()
    done = run_here(EXPORT, work / "model.keras", work / "out")
    refused(done, "not empty")


@pytest.mark.slow
def test_the_export_script_runs_in_a_process_of_its_own(work, tmp_path):
    done = run_script(EXPORT, work / "model.keras", tmp_path / "out", "--formats", "onnx")
    assert done.returncode == 0, done.stderr
    assert "classifier.onnx" in done.stdout
    told, expected = (
        json.loads((folder / "model.json").read_text())
        for folder in (tmp_path / "out", work / "out")
    )
    assert told["content_hash"] == expected["content_hash"]
