"""The parts of a model that grew: behind Gaussians, on replicas, beside a model that knew."""

import numpy as np
import pytest
from checks import rows, tiny

import keras_ccl as ccl

X, Y = rows(90)
NAMED = np.array(["cat", "dog", "eel"])[Y]
TASKS = [(X[Y < 2], NAMED[Y < 2]), (X[Y == 2], NAMED[Y == 2])]
NUMBERS = [(X[Y < 2], Y[Y < 2]), (X[Y == 2], Y[Y == 2])]


def test_gaussians_that_grew_are_those_that_knew():
    of_gaussians = {"likelihood": "gaussian", "memory": "gaussians", "seed": 0}
    known, grown = tiny(**of_gaussians), tiny(num_classes=None, **of_gaussians)
    known.fit_tasks(NUMBERS, epochs=1, verbose=0)
    grown.fit_tasks(TASKS, epochs=1, verbose=0)
    for a, b in zip(
        known.feature_memory.get_weights(), grown.feature_memory.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.graph
@pytest.mark.release
def test_a_model_grows_on_two_replicas(strategy):
    with strategy.scope():
        model = tiny(num_classes=None)
        model.fit_tasks(TASKS, epochs=2, batch_size=20, verbose=0)
        model.fit_tasks([(X, NAMED)], epochs=1, batch_size=20, verbose=0)
    assert model.class_names == ("cat", "dog", "eel")
    assert model.predict(X, verbose=0).shape == (90, 3)


@pytest.mark.graph
@pytest.mark.release
def test_a_model_that_grew_is_as_good_as_one_that_knew():
    """Within noise of seeds, on six classes of Gaussians, two at a time."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 2.5, (6, 8)).astype("float32")
    y = np.arange(1200) % 6
    x = centres[y] + rng.normal(size=(1200, 8)).astype("float32")
    task = ccl.Task((x[:900], y[:900]), test=(x[900:], y[900:]))
    reached = {6: [], None: []}
    for seed in range(3):
        for classes in reached:
            model = ccl.CCLGM((8,), classes, latent_dim=4, seed=seed)
            history = model.fit_tasks(ccl.streams.split(task), epochs=20, verbose=0)
            reached[classes].append(history.average_accuracy[-1])
    known, grown = (np.array(values) for values in reached.values())
    assert known.mean() > 0.8
    assert grown.mean() > known.mean() - 0.02
