"""Streams as they come: tasks of one class, one row, very unequal sizes, the same task twice."""

import numpy as np
import pytest
from checks import rows, slow_but, tiny, weights_of

import keras_ccl as ccl


def part(n, *classes, seed=0):
    """n rows, all of the classes given."""
    x, _ = rows(n, seed=seed)
    return x, np.resize(np.array(classes, np.int32), n)


STREAMS = {
    "one class only in each task": [part(20, 0), part(20, 1), part(20, 2)],
    "one row": [part(1, 0), part(1, 1)],
    "a last batch of one row": [part(17, 0, 1), part(33, 1, 2)],
    "fewer rows than the batch": [part(5, 0, 1), part(3, 2)],
    "wildly unequal sizes": [part(1500, 0, 1), part(2, 2), part(300, 0, 1, 2)],
    "labels in an order of their own": [part(20, 2), part(20, 0, 2), part(20, 1)],
    "the same task twice": [part(40, 0, 1, 2), part(40, 0, 1, 2)],
}

LONG = "wildly unequal sizes"
EACH_TIME = ("one row", "one class only in each task")
OF_THE_PAPER = ("one class only in each task", "one row", LONG)


def case(kind, replay, prior, *, slow):
    """Parameters of a test; what is long is learnt in graphs."""
    marks = [pytest.mark.graph] * (kind == LONG) + [pytest.mark.slow] * slow
    return pytest.param(kind, replay, prior, marks=marks)


CASES = [
    *(case(kind, "balanced", "mixture", slow=kind not in EACH_TIME) for kind in STREAMS),
    *(case(kind, "mixed", "normal", slow=True) for kind in OF_THE_PAPER),
]


@pytest.mark.parametrize(("kind", "replay", "prior"), CASES)
def test_it_is_learnt_and_measured(kind, replay, prior):
    tasks = [ccl.Task(data, test=data) for data in STREAMS[kind]]
    model = tiny(replay=replay, prior=prior)
    history = model.fit_tasks(tasks, epochs=1, batch_size=16, verbose=0)
    assert all(np.isfinite(weight).all() for weight in weights_of(model))
    assert np.isfinite(history.negative_elbo[-1]).all()
    assert np.isfinite([value for e in history.epochs for v in e.values() for value in v]).all()
    assert int(model.tasks_seen) == len(tasks)
    x, y = model.generate(10)
    assert ((x >= 0) & (x <= 1)).all()
    np.testing.assert_allclose(y.sum(1), np.ones(10), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", slow_but(["one row", "one class only in each task"], ("one row",)))
def test_ewc_learns_it_too(kind):
    model = tiny(ccl.EWC)
    model.fit_tasks(STREAMS[kind], epochs=2, batch_size=16, verbose=0)
    assert all(np.isfinite(weight).all() for weight in weights_of(model))
