"""Mutated files: every reader refuses them with its own error, and none crashes or hangs."""

import json

import pytest
from checks import run_script

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("reader", ["keras", "checkpoint", "subset", "onnx"])
def test_mutated_files_are_read_or_refused(reader, tmp_path):
    options = ["--files", 150, "--seed", 7, "--readers", reader, "--keep", tmp_path]
    done = run_script("benchmarks/fuzz.py", *options)
    found = json.loads(done.stdout.splitlines()[-1])[reader]
    assert found["defects"] == [] and done.returncode == 0
    assert found["refused"] > 20 and found["refused"] + found["read"] == 150
