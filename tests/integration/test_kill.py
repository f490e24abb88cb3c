"""A real process, killed with SIGKILL at random moments, ends as one that never was."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.release
KILLS = 20
RUN = """
import sys, time
sys.path.insert(0, sys.argv[1])
from checks import rows, tiny
import keras_ccl as ccl
import numpy as np

tasks = [ccl.Task(rows(200, seed=k), test=rows(50, seed=k)) for k in range(3)]
model = tiny()
print("started", flush=True)
history = model.fit_tasks(
    tasks, epochs=30, batch_size=16, validation_split=0.2, verbose=0, checkpoint_dir=sys.argv[2]
)
history.to_json(sys.argv[3] + ".json")
np.savez(sys.argv[3] + ".npz", *model.get_weights())
"""


def start(folder, result):
    here = Path(__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(here), str(folder), str(result)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def checkpoints(folder):
    return {path.name for path in folder.glob("*") if path.name.isdigit()}


@pytest.mark.parametrize("seed", [0])
def test_killed_twenty_times_it_ends_with_the_same_weights(seed, tmp_path):
    finished(start(tmp_path / "whole", tmp_path / "expected"))
    moments = random.Random(seed)
    folder, killed, progressed = tmp_path / "killed", 0, set()
    while killed < KILLS:
        process = start(folder, tmp_path / "found")
        assert process.stdout.readline() == "started\n", process.stderr.read()
        before = checkpoints(folder) if folder.exists() else set()
        # A moment of its own each time, now and then in the middle of a save.
        wanted = before if moments.random() < 0.7 else None
        while process.poll() is None and wanted is not None and checkpoints(folder) <= wanted:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.4))
        if process.poll() is not None:
            break  # it came to its end before the moment
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()
        killed += 1
        progressed |= checkpoints(folder)
    assert killed == KILLS, f"the run was over after {killed} kills: make it longer"
    assert len(progressed) > 5
    finished(start(folder, tmp_path / "found"))
    expected, found = (
        json.loads((tmp_path / f"{k}.json").read_text()) for k in ("expected", "found")
    )
    assert found == expected
    with np.load(tmp_path / "expected.npz") as one, np.load(tmp_path / "found.npz") as other:
        assert all(np.array_equal(one[name], other[name]) for name in one.files)
    assert len(checkpoints(folder)) == 2
    assert {path.name for path in folder.iterdir()} == {*checkpoints(folder), ".lock"}
