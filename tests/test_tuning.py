"""The search: validation rows only, resumable, and its best trial as code."""

import sys

import numpy as np
import pytest
from checks import rows, same_weights, weights_of

import keras_ccl as ccl
from keras_ccl import tuning

TASKS = [ccl.Task(rows(40, seed=k), test=rows(10, seed=k + 9)) for k in range(2)]
DENSE = {
    "architecture": "dense",
    "latent_dim": 3,
    "classifier_units": 8,
    "classification_weight": 30.0,
    "classification_at_mean": 0.5,
    "distillation_weight": 1.0,
    "prior_components": 2,
    "temperature": 2.0,
    "units": 8,
    "layers": 2,
}
CONVOLUTIONAL = {**DENSE, "architecture": "convolutional", "filters": 4, "classifier_units": 0}


def test_test_rows_are_not_read_and_validation_rows_are_held_out():
    def forbidden():
        raise AssertionError("test rows were read")

    (task,) = tuning.on_validation_rows([ccl.Task(TASKS[0].train, test=forbidden)], 0.25)
    (x, y), (held_x, held_y) = task.train(), task.test()
    assert len(x) == 30 and len(held_x) == 10
    np.testing.assert_array_equal(np.concatenate([x, held_x]), TASKS[0].train[0])
    np.testing.assert_array_equal(np.concatenate([y, held_y]), TASKS[0].train[1])


@pytest.mark.parametrize(
    ("values", "shape"), [(DENSE, (6,)), (CONVOLUTIONAL, (8, 8, 1))], ids=["dense", "convolutional"]
)
def test_the_code_builds_the_same_model(values, shape):
    built = tuning.build(values, shape, 3, seed=4)
    pasted = eval(tuning.as_code(values, shape, 3, seed=4), {"ccl": ccl})
    assert built.options() == pasted.options() and pasted.temperature == 2.0
    assert same_weights(weights_of(built), weights_of(pasted))
    assert len(built.encoder.trainable_weights) == len(pasted.encoder.trainable_weights)


@pytest.mark.slow
def test_a_search_goes_on_where_it_was_and_sorts_its_trials(tmp_path, monkeypatch):
    learnt = []

    def fit_tasks(model, tasks, **options):
        learnt.append(model)
        return ccl.fit_tasks(model, tasks, **options)

    monkeypatch.setattr(tuning, "fit_tasks", fit_tasks)
    options = {"directory": tmp_path, "architectures": ("dense",), "epochs": 1, "verbose": 0}
    first = tuning.search(TASKS, (6,), 3, trials=2, **options)
    assert len(first) == len(learnt) == 2
    more = tuning.search(TASKS, (6,), 3, trials=3, **options)
    assert len(more) == len(learnt) == 3
    scores = [values["average_accuracy"] for values in more]
    assert scores == sorted(scores, reverse=True)
    assert all(values in more for values in first)


def test_a_missing_keras_tuner_is_told_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(ImportError, match=r'pip install "keras-ccl\[tune\]"'):
        tuning.search(TASKS, (6,), 3, trials=1, directory=tmp_path)
