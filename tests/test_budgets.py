"""Epochs and batches fit the rows of a task where nothing is said."""

import math

import numpy as np
import pytest
import tensorflow as tf
from checks import rows, tiny

import keras_ccl as ccl
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


@pytest.fixture
def few_steps(monkeypatch):
    """Budgets a hundredth in size, for tests that learn with them."""
    monkeypatch.setattr(budgets, "STEPS", 28)
    monkeypatch.setattr(budgets, "FEWEST_STEPS", 8)
    monkeypatch.setattr(budgets, "FEWEST_EPOCHS", 1)


def test_what_was_chosen_is_told_once_and_recorded(few_steps, capsys):
    tasks = [rows(40), rows(40), rows(600)]
    history = tiny().fit_tasks(tasks, verbose=2)
    told = [line for line in capsys.readouterr().out.splitlines() if "chosen" in line]
    assert told == [
        "chosen for 40 rows: epochs=3, batch_size=16",
        "chosen for 600 rows: epochs=1, batch_size=32",
    ]
    assert history.options["epochs_by_task"] == [3, 3, 1]
    assert history.options["batch_size_by_task"] == [16, 16, 32]
    assert [len(record["loss"]) for record in history.epochs] == [3, 3, 1]


def test_what_is_named_is_kept(few_steps, capsys):
    history = tiny().fit_tasks([rows(40), rows(40)], epochs=[None, 1], batch_size=20, verbose=2)
    assert history.options["epochs_by_task"] == [4, 1]
    assert history.options["batch_size_by_task"] == [20, 20]
    assert "chosen for 40 rows: epochs=4\n" in capsys.readouterr().out


def test_a_dataset_keeps_its_batches_and_a_limited_one_its_steps(few_steps):
    data = tf.data.Dataset.from_tensor_slices(rows(40)).batch(8)
    history = tiny().fit_tasks([data], verbose=0)
    assert history.options["batch_size_by_task"] == [8]
    assert history.options["epochs_by_task"] == [2]  # of 5 steps
    history = tiny().fit_tasks([data.repeat()], steps_per_epoch=3, verbose=0)
    assert history.options["epochs_by_task"] == [3]


def units(x, scale, offset):
    return (x * scale + offset).astype("float32")


def test_features_in_any_units_are_learnt_alike(few_steps):
    """What the networks see does not depend on the units of the features."""
    x, y = rows(60)
    scale, offset = np.array([1e-3, 1, 10, 1e4, 1, 5]), np.array([0, 5, -100, 1e5, 0, 1])
    plain, other = (tiny(ccl.JointVAE, likelihood=None) for _ in range(2))
    plain.fit_tasks([(x, y)], verbose=0)
    other.fit_tasks([(units(x, scale, offset), y)], verbose=0)
    np.testing.assert_allclose(
        other.predict(units(x, scale, offset), verbose=0), plain.predict(x, verbose=0), atol=2e-2
    )
    density = (
        other.elbo(units(x, scale, offset)) + np.log(scale).sum()
    )  # nats per row, in its units
    np.testing.assert_allclose(density, plain.elbo(x), rtol=0.05, atol=0.3)


def test_a_feature_that_never_changed_may_change_later():
    likelihood = tiny(likelihood="gaussian").observation
    x = rows(50)[0]
    x[:, 2] = 7.0
    likelihood.fit(x)
    seen = likelihood.for_encoder(x)
    assert np.abs(seen[:, 2]).max() < 1e-5
    x[:, 2] = 8.0
    assert np.abs(likelihood.for_encoder(x)[:, 2]).max() < 10  # and not a million


@pytest.mark.graph
@pytest.mark.slow
def test_the_scale_of_each_feature_is_learnt():
    """Noise keeps its width, and what follows from z is told more exactly."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = np.stack([y + 0.01 * rng.normal(size=400), rng.normal(size=400)], 1).astype("float32")
    model = ccl.CCLGM((2,), 2, latent_dim=1, seed=0)  # room for one of the two
    model.fit_tasks([(x, y)], epochs=100, batch_size=32, verbose=0)
    told, noise = np.exp(model.observation.log_scale.numpy())
    assert told < 0.35 < 0.6 < noise


def test_the_likelihood_follows_from_the_shape():
    assert ccl.JointVAE((8, 8, 1), 2).likelihood == "bernoulli"
    for shape in [(5,), (7, 3)]:
        assert ccl.JointVAE(shape, 2).likelihood == "gaussian"
