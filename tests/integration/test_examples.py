"""The examples run as a person runs them, in a tiny setting."""

import json

import keras
import numpy as np
import pytest
from checks import run_here, run_script

import keras_ccl as ccl

pytestmark = pytest.mark.graph


PERMUTED = ("permuted_mnist", "original", "permutation 1")
PROCESSES = [
    PERMUTED,
    ("split_mnist", "classes 0, 1", "classes 2, 3"),
    ("mnist_fashion", "mnist", "fashion_mnist"),
]


@pytest.mark.parametrize(
    ("run", "example", "first", "second"),
    [
        (run_here, *PERMUTED),
        *(pytest.param(run_script, *process, marks=pytest.mark.slow) for process in PROCESSES),
    ],
)
def test_an_example_ends_in_table_figure_history_and_model(run, example, first, second, tmp_path):
    options = ["--tasks", 2, "--epochs", 1, "--seed", 3, "--classification-weight", 200]
    options += ["--out", tmp_path]
    done = run(f"examples/{example}.py", *options)
    assert done.returncode == 0, done.stderr
    assert first in done.stdout and second in done.stdout and "average accuracy" in done.stdout
    history = json.loads((tmp_path / "history.json").read_text())
    accuracy = np.array(history["accuracy"], float)
    assert accuracy.shape == (2, 2) and np.isnan(accuracy[0, 1])
    assert history["accuracy"][0][1] is None and history["negative_elbo"][0][1] is None
    assert history["average_accuracy"] == pytest.approx([accuracy[0, 0], accuracy[1].mean()])
    assert history["seed"] == 3 and history["options"]["epochs"] == [1, 1]
    assert history["options"]["classification_weight"] == 200
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(model, ccl.CCLGM) and int(model.tasks_seen) == 2
    exported = json.loads((tmp_path / "export" / "model.json").read_text())
    assert exported["artefacts"]["classifier.onnx"]["accuracy"] == pytest.approx(accuracy[1, 1])
    assert f"ONNX Runtime: accuracy {accuracy[1, 1]:.4f}" in done.stdout


@pytest.mark.slow
def test_all_methods_side_by_side_keep_the_order_of_the_paper(tmp_path):
    """vae-cl forgets, EWC less, CCL-GM far less, joint training not at all."""
    options = ["--tasks", 3, "--epochs", 3, "--method", "all", "--seeds", 5, "--out", tmp_path]
    done = run_script("examples/permuted_mnist.py", *options)
    assert done.returncode == 0, done.stderr
    found = {}
    for method in ("ccl-gm", "ccl-gm-paper", "vae-cl", "ewc", "joint"):
        history = json.loads((tmp_path / f"history-{method}-5.json").read_text())
        found[method] = history["average_accuracy"][-1], history["average_negative_elbo"][-1]
        assert f"{found[method][0]:.4f}" in done.stdout
    accuracy, nats = ({k: v[i] for k, v in found.items()} for i in (0, 1))
    assert accuracy["vae-cl"] < accuracy["ewc"] < accuracy["ccl-gm"] < accuracy["joint"]
    assert nats["vae-cl"] > nats["ewc"] > nats["ccl-gm"] > nats["joint"]
    for name in ("figure.png", "images.png"):
        assert (tmp_path / name).stat().st_size > 10_000


@pytest.mark.slow
def test_the_sweep_prints_code_that_builds_its_best_trial(tmp_path):
    options = ["--trials", 1, "--tasks", 1, "--epochs", 1, "--dense-only", "--out", tmp_path]
    done = run_script("examples/sweep.py", *options)
    assert done.returncode == 0, done.stderr
    code = done.stdout[done.stdout.index("ccl.CCLGM(") :]
    assert isinstance(eval(code, {"ccl": ccl}), ccl.CCLGM)


def test_a_missing_dataset_is_told_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    done = run_here("examples/permuted_mnist.py", "--full", "--data-dir", tmp_path, "--out", out)
    assert done.returncode != 0
    assert "FileNotFoundError" in done.stderr and "embedded" in done.stderr
    assert not out.exists()
