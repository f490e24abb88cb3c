"""From a saved model to answers where there is no TensorFlow, through the two scripts."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from checks import run_here, run_script

import keras_ccl as ccl

pytestmark = pytest.mark.graph
EXPORT, CLASSIFY = "export/export_student.py", "export/classify.py"


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


def refused(done, message):
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not done.stdout


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


@pytest.mark.release
def test_the_export_script_runs_in_a_process_of_its_own(work, tmp_path):
    done = run_script(EXPORT, work / "model.keras", tmp_path / "out", "--formats", "onnx")
    assert done.returncode == 0, done.stderr
    assert "classifier.onnx" in done.stdout
    told, expected = (
        json.loads((folder / "model.json").read_text())
        for folder in (tmp_path / "out", work / "out")
    )
    assert told["content_hash"] == expected["content_hash"]
