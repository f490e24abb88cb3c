"""Epochs and batches fit the rows of a task where nothing is said."""

import math

import pytest
import tensorflow as tf
from checks import rows, tiny

from keras_ccl.training import budgets


@pytest.mark.parametrize(
    ("rows", "epochs", "batch_size"), [(60_000, 12, 256), (12_000, 60, 256), (300_000, 12, 256)]
)
def test_large_tasks_get_what_was_tuned_on_all_of_mnist(rows, epochs, batch_size):
    assert budgets.batch_size_for(rows) == batch_size
    assert budgets.epochs_for(rows, math.ceil(rows / batch_size)) == epochs


@pytest.mark.parametrize("rows", [1, 20, 100, 350, 2000, 10_000, 59_999])
def test_every_task_gets_enough_steps_and_none_too_many(rows):
    steps = math.ceil(rows / budgets.batch_size_for(rows))
    assert 1400 <= budgets.epochs_for(rows, steps) * steps <= 3000


@pytest.mark.parametrize(("rows", "epochs"), [(500, 33), (5000, 35), (60_000, 12)])
def test_features_of_a_backbone_are_learnt_in_fewer_steps(rows, epochs):
    steps = math.ceil(rows / budgets.batch_size_for(rows))
    assert budgets.epochs_for(rows, steps, of_features=True) == epochs


@pytest.fixture
def few_steps(monkeypatch):
    """Budgets a hundredth in size, for tests that learn with them."""
    monkeypatch.setattr(budgets, "STEPS", 28)
    monkeypatch.setattr(budgets, "FEWEST_STEPS", 8)
    monkeypatch.setattr(budgets, "FEWEST_EPOCHS", 1)


@pytest.mark.slow
def test_what_was_chosen_is_told_once_and_recorded(few_steps, capsys):
    tasks = [rows(40), rows(40), rows(100)]
    history = tiny().fit_tasks(tasks, verbose=2)
    told = [line for line in capsys.readouterr().out.splitlines() if "chosen" in line]
    assert told == [
        "chosen for 40 rows: epochs=3, batch_size=16",
        "chosen for 100 rows: epochs=1, batch_size=16",
    ]
    assert history.options["epochs_by_task"] == [3, 3, 1]
    assert history.options["batch_size_by_task"] == [16, 16, 16]
    assert [len(record["loss"]) for record in history.epochs] == [3, 3, 1]


def test_what_is_named_is_kept(few_steps, capsys):
    history = tiny().fit_tasks([rows(40), rows(40)], epochs=[None, 1], batch_size=20, verbose=2)
    assert history.options["epochs_by_task"] == [4, 1]
    assert history.options["batch_size_by_task"] == [20, 20]
    assert "chosen for 40 rows: epochs=4\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_dataset_keeps_its_batches_and_a_limited_one_its_steps(few_steps):
    data = tf.data.Dataset.from_tensor_slices(rows(40)).batch(8)
    history = tiny().fit_tasks([data], verbose=0)
    assert history.options["batch_size_by_task"] == [8]
    assert history.options["epochs_by_task"] == [2]  # of 5 steps
    history = tiny().fit_tasks([data.repeat()], steps_per_epoch=3, verbose=0)
    assert history.options["epochs_by_task"] == [3]
