"""What the tests of the two scripts of `export/` share: an exported student, and its client."""

import functools
import subprocess
import sys
import venv

import numpy as np
import pytest
from checks import run_here, run_script
from PIL import Image

import keras_ccl as ccl

EXPORT, CLASSIFY = "export/export_student.py", "export/classify.py"


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A saved model, its export by the script, and images to classify."""
    folder = tmp_path_factory.mktemp("deployment")
    data = ccl.datasets.load("mnist")
    x, y = (part[:500] for part in data.train)
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
    scope="session", params=[with_absent_blocked, pytest.param(bare, marks=pytest.mark.network)]
)
def classify(request, tmp_path_factory):
    """classify.py where TensorFlow, Keras and keras_ccl cannot be imported."""
    where = request.param(tmp_path_factory.mktemp("classify"))
    check = tmp_path_factory.mktemp("absent") / "absent.py"
    for absent in ABSENT:
        check.write_text(f"import {absent}")
        assert "ModuleNotFoundError" in run_script(check, **where).stderr
    return functools.partial(run_script, CLASSIFY, **where)
