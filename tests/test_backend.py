"""What importing keras_ccl needs, takes and refuses, each in a process of its own."""

import os
import subprocess
import sys

import pytest


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("backend", ["jax", pytest.param("nonsense", marks=pytest.mark.slow)])
def test_another_backend_is_refused_in_one_sentence(backend):
    done = python("import keras_ccl", KERAS_BACKEND=backend)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: keras_ccl runs on the TensorFlow backend of Keras only")
    assert repr(backend) in last and "KERAS_BACKEND=tensorflow" in last


def test_importing_loads_nothing_heavy_beside_the_three():
    """The optional parts, and what is slow to import, stay out until they are used."""
    code = """
import sys, tensorflow, keras, tensorflow_probability
before = set(sys.modules)
import keras_ccl
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}))
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    added = set(done.stdout.split())
    assert "keras_ccl" in added
    assert not added & {"matplotlib", "tensorflow_datasets", "tf2onnx", "onnx", "keras_tuner"}
