"""An ordinary run warns of nothing, in a process of its own: TensorFlow counts over all models."""

import os
import subprocess
import sys

import pytest
from checks import ROOT

RUN = """
import sys
sys.path.insert(0, "tests")
from checks import rows, tiny
import keras_ccl as ccl

def task(k):
    x, y = rows(100 + 30 * k, seed=k)
    batches = lambda: ((x[i : i + 50], y[i : i + 50]) for i in range(0, len(x), 50))
    return ccl.Task(batches, validation=batches, test=batches)

model = tiny(ccl.METHOD)
model.fit_tasks([task(k) for k in range(4)], epochs=2, verbose=0)
for n in (5, 40, 7):
    x, y = rows(n)
    model.predict(x, verbose=0), model.elbo(x), model.generate(n)
model.evaluate(x, y, verbose=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["CCLGM", pytest.param("EWC", marks=pytest.mark.release)])
def test_an_ordinary_run_warns_of_nothing(method):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    code = RUN.replace("METHOD", method)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    told = [line for line in run.stderr.splitlines() if "WARNING:tensorflow" in line]
    assert not told and "Warning" not in run.stderr, run.stderr
