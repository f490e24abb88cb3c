"""`forget`: the others stay as accurate as they were, and the class can be learnt anew."""

import keras
import numpy as np
import pytest
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl

Y = rows(90)[1]
NAMES = np.array(["cat", "dog", "eel"])[Y]
CENTRES = np.random.default_rng(1).choice([0.1, 0.9], (3, 6))
U = np.clip(CENTRES[Y] + np.random.default_rng(2).normal(0, 0.05, (90, 6)), 0, 1).astype("float32")


def accuracy_on(model, y, classes):
    part = np.isin(y, classes)
    names = np.array(model.class_names)[model.predict(U[part], verbose=0).argmax(1)]
    return (names == y[part]).mean()


@pytest.mark.graph
@pytest.mark.parametrize("with_rows", slow_but([True, False], [], [True]))
@pytest.mark.parametrize("cls", slow_but([ccl.CCLGM, ccl.CCLGM.paper], [], [ccl.CCLGM]))
def test_the_others_stay_and_the_class_can_come_again(cls, with_rows, tmp_path):
    model = cls((6,), latent_dim=2, likelihood="bernoulli", seed=0)
    tasks = [(U[Y < 2], NAMES[Y < 2]), (U[Y == 2], NAMES[Y == 2])]
    model.fit_tasks(tasks, epochs=80, verbose=0)
    assert accuracy_on(model, NAMES, ["cat", "dog", "eel"]) > 0.95
    rows = (U[Y == 1], NAMES[Y == 1]) if with_rows else None
    model.forget("dog", rows=rows, generated=500, epochs=40, batch_size=50, verbose=0)
    assert accuracy_on(model, NAMES, ["cat", "eel"]) > 0.95
    assert accuracy_on(model, NAMES, ["dog"]) == 0
    model.save(tmp_path / "m.keras")
    task = [(U[Y == 1], NAMES[Y == 1])]
    run = {"epochs": 80, "verbose": 0, "checkpoint_dir": tmp_path / "run"}
    model.fit_tasks(task, **run)
    assert model.class_names == ("cat", "forgotten 1", "eel", "dog")
    assert accuracy_on(model, NAMES, ["dog"]) > 0.9
    if cls is ccl.CCLGM:  # as printed, the method forgets the others by itself
        assert accuracy_on(model, NAMES, ["cat", "eel"]) > 0.9
    again = ccl.load_model(tmp_path / "m.keras")
    again.fit_tasks(task, **run)
    assert again.class_record() == model.class_record()
    assert same_weights(weights_of(model), weights_of(again))


@pytest.mark.graph
@pytest.mark.release
def test_a_number_that_comes_again_is_learnt_anew():
    model = tiny()
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit_tasks([(U[Y < 2], Y[Y < 2]), (U[Y == 2], Y[Y == 2])], epochs=60, verbose=0)
    model.forget(1, rows=(U[Y == 1], Y[Y == 1]), generated=500, epochs=40, verbose=0)
    model.fit_tasks([(U[Y == 1], Y[Y == 1])], epochs=60, verbose=0)
    assert model.forgotten == model.teacher.forgotten == frozenset()
    assert accuracy_on(model, Y, [0, 1, 2]) > 0.9
    model.fit_tasks([(U[Y == 0], Y[Y == 0])], epochs=20, verbose=0)
    assert accuracy_on(model, Y, [1]) > 0.9  # what was traced before gave no such label
