"""The same seed gives the weights that it gave when they were recorded.

At 39f567c; those of CCLGM anew when the mixture came to follow from the rows of a class, and when
the mixture came to have room for every task and current rows, on streams of tasks with every
class, to weigh 1/sqrt(t+1).

python tests/test_same_weights.py        # records them anew, where a change of results is meant
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from checks import slow_but

import keras_ccl as ccl

pytestmark = pytest.mark.graph
RECORD = Path(__file__).parent / "recorded" / "same_weights.json"
PARTS = ("encoder", "decoder", "classifier", "p_z")
NETWORK_WEIGHTS = 16
"""Kernels and biases of the first three, three dense layers twice and two."""


def some(data, rows):
    return ccl.Task(
        tuple(part[:rows] for part in data.train), test=tuple(part[:200] for part in data.test)
    )


def permuted():
    return ccl.streams.permuted(some(ccl.datasets.load("mnist"), 1000), tasks=3, seed=1)


def split():
    return ccl.streams.split(some(ccl.datasets.load("fashion_mnist"), 1500))[:3]


RUNS = {
    "CCLGM, permuted": (ccl.CCLGM, permuted),
    "CCLGM, split": (ccl.CCLGM, split),
    "CCLGM.paper, permuted": (ccl.CCLGM.paper, permuted),
    "EWC, permuted": (ccl.EWC, permuted),
    "JointVAE, split": (ccl.JointVAE, split),
}


def result(run):
    """What a run ends with: R, and of each weight its sum and a random projection."""
    make, stream = RUNS[run]
    model = make((28, 28, 1), 10, seed=3)
    history = model.fit_tasks(stream(), epochs=2, batch_size=256, verbose=0)
    weights = [np.array(w) for part in PARTS for w in getattr(model, part).get_weights()]
    rng = np.random.default_rng(0)
    projections = [float(rng.normal(size=w.size) @ w.astype(np.float64).ravel()) for w in weights]
    digest = hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()
    return {
        "accuracy": history.accuracy[-1].tolist(),
        "negative_elbo": history.negative_elbo[-1].tolist(),
        "loss": [record["loss"][-1] for record in history.epochs],
        "projections": projections,
        "sha256": digest,
    }


@pytest.mark.parametrize("run", slow_but(RUNS, [], ["CCLGM, split", "EWC, permuted"]))
def test_the_same_seed_gives_the_same_weights(run):
    expected, found = json.loads(RECORD.read_text())[run], result(run)
    if found["sha256"] == expected["sha256"]:
        return  # bit for bit, as on the machine that recorded them
    for name in ("loss", "negative_elbo"):  # another processor rounds elsewhere
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-3)
    np.testing.assert_allclose(found["accuracy"], expected["accuracy"], atol=0.02)
    # Of p(z) the negative ELBO tells: where a point falls to another cluster, so do the Gaussians.
    of_networks = slice(0, NETWORK_WEIGHTS)
    one, other = (each["projections"][of_networks] for each in (found, expected))
    np.testing.assert_allclose(one, other, rtol=0.02, atol=0.2)


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps({run: result(run) for run in RUNS}, indent=1))
