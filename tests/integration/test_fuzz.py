"""Mutated files: every reader refuses them with its own error, and none crashes or hangs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


@pytest.mark.parametrize("reader", ["keras", "checkpoint", "subset", "onnx"])
def test_mutated_files_are_read_or_refused(reader, tmp_path):
    command = [sys.executable, str(FUZZ), "--files", "150", "--seed", "7", "--readers", reader]
    done = subprocess.run(
        [*command, "--keep", str(tmp_path)], capture_output=True, text=True, timeout=600
    )
    found = json.loads(done.stdout.splitlines()[-1])[reader]
    assert found["defects"] == [] and done.returncode == 0
    assert found["refused"] > 20 and found["refused"] + found["read"] == 150
