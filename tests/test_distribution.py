"""Several replicas do what one does: on two CPU devices here, in two processes in integration/."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.models import rows as rows_of_a_step
from keras_ccl.training import replicas

TASKS = [rows(21, seed=1), rows(13, seed=2)]  # the last batches are short, and split unevenly
OPTIONS = {"epochs": 2, "batch_size": 8, "verbose": 0}


class WithoutNoise:
    """z is the posterior mean and every generated row the same: steps can be compared exactly."""

    def infer(self, x, seed, training=False):
        found = super().infer(x, seed, training)
        z = found.q.mean() + 0.0 * found.z
        return found._replace(z=z, p_x=self.decode(z, training), p_y=self.classify(z, training))


def generate_the_same_row(method, model, n):
    z = tf.zeros([n, model.latent_dim])
    x = method.teacher.decode(z).mean()
    return rows_of_a_step.Generated(z, x, method.teacher(x), method.teacher.encode(x))


@pytest.fixture
def still(monkeypatch):
    """Makes a class without noise of a class of models."""
    monkeypatch.setattr(ccl.methods.GenerativeReplay, "generate_rows", generate_the_same_row)
    return lambda cls: type("Still", (WithoutNoise, cls), {})


@pytest.mark.parametrize(
    ("cls", "method"),
    [
        (ccl.JointVAE, None),
        pytest.param(ccl.CCLGM, None, marks=(pytest.mark.graph, pytest.mark.slow)),
        pytest.param(ccl.EWC, None, marks=pytest.mark.release),
        pytest.param(
            ccl.JointVAE, ccl.methods.LearningWithoutForgetting, marks=pytest.mark.release
        ),
        pytest.param(
            ccl.JointVAE,
            ccl.methods.SynapticIntelligence,
            marks=(pytest.mark.graph, pytest.mark.release),
        ),
    ],
)
def test_two_replicas_learn_what_one_learns(cls, method, strategy, still):
    def new():
        return tiny(still(cls), prior="normal", **({"method": method()} if method else {}))

    one, options = new(), {**OPTIONS, "epochs": 1}
    expected = one.fit_tasks(TASKS, **options)
    with strategy.scope():
        two = new()
    history = two.fit_tasks(TASKS, **options)
    for first, second in zip(weights_of(one), weights_of(two), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)
    for record, other in zip(expected.epochs, history.epochs, strict=True):
        for name, values in record.items():
            np.testing.assert_allclose(values, other[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_head_on_two_replicas_adds_the_rows_of_both(strategy):
    options = {"features": "fourier", "feature_count": 9, "seed": 0}
    one = ccl.StreamingLDA((6,), 3, **options)
    with strategy.scope():
        two = ccl.StreamingLDA((6,), 3, **options)
    for model in (one, two):
        model.fit_tasks(TASKS, batch_size=8, verbose=0)
    ones, twos = one.feature_sums, two.feature_sums
    assert ones.counts.numpy().tolist() == twos.counts.numpy().tolist() == [12, 11, 11]
    np.testing.assert_allclose(ones.products, twos.products, rtol=1e-5)
    np.testing.assert_allclose(one.predict(rows()[0]), two.predict(rows()[0]), atol=1e-4)


@pytest.mark.release
def test_replicas_know_the_classes_of_all(strategy, still):
    """Class-incremental, the replicas meeting other classes: they learn what one learns."""
    x, y = rows(16, num_classes=4)
    tasks = [(x, y % 2), (x, 2 + np.arange(16) % 8 // 4)]  # a class a replica in each batch of 8
    one, made = still(ccl.CCLGM), {"num_classes": 4, "prior": "normal", "replay_inputs": "mean"}
    expected = tiny(one, **made)
    expected.fit_tasks([tf.data.Dataset.from_tensor_slices(t) for t in tasks], **OPTIONS)
    with strategy.scope():
        two = tiny(one, **made)
    two.fit_tasks([tf.data.Dataset.from_tensor_slices(t) for t in tasks], **OPTIONS)
    np.testing.assert_array_equal(two.task_classes.numpy(), [0, 0, 1, 1])
    for first, second in zip(weights_of(expected), weights_of(two), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_batches_smaller_than_the_replicas_are_learnt(strategy):
    with strategy.scope():
        model = tiny()
    tasks = [ccl.Task(rows(5, seed=k), test=rows(3, seed=k)) for k in range(2)]
    history = model.fit_tasks(tasks, epochs=1, batch_size=1, verbose=0)
    assert all(np.isfinite(weight).all() for weight in weights_of(model))
    assert np.isfinite(history.negative_elbo[1]).all()


@pytest.mark.graph
def test_replicas_draw_different_noise(strategy):
    with strategy.scope():
        model = tiny()
    draw = tf.function(lambda: strategy.run(model.next_seed))
    seeds = [
        tuple(s.numpy()) for _ in range(3) for s in strategy.experimental_local_results(draw())
    ]
    assert len(set(seeds)) == 6
    assert model.noise.numpy()[1] == 3
    model.tasks_seen.assign(1)
    drawn = strategy.run(tf.function(lambda: model.method.generate_rows(model, 4).x))
    first, second = strategy.experimental_local_results(drawn)
    assert not np.array_equal(first, second)


@pytest.mark.release
def test_saved_under_a_strategy_it_is_the_same_model_without(strategy, tmp_path):
    with strategy.scope():
        model = tiny()
    model.fit_tasks(TASKS, **OPTIONS)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = rows(10)[0]
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(loaded.generate(5, seed=3)[0], model.generate(5, seed=3)[0])


@pytest.mark.release
def test_a_run_under_a_strategy_resumes(strategy, tmp_path):
    def finish(folder, callbacks=()):
        with strategy.scope():
            model = tiny()
        options = {**OPTIONS, "checkpoint_dir": folder, "callbacks": list(callbacks)}
        return model.fit_tasks(TASKS, **options), weights_of(model)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if int(self.model.tasks_seen.numpy()) and epoch:
                raise KeyboardInterrupt

    expected, whole = finish(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        finish(tmp_path / "parts", [Stop()])
    history, resumed = finish(tmp_path / "parts")
    for first, second in zip(whole, resumed, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(expected.accuracy, history.accuracy)


def test_a_model_made_outside_the_scope_is_refused(strategy):
    model = tiny()
    with strategy.scope(), pytest.raises(ValueError, match="strategy: expected a model made in"):
        model.fit_tasks(TASKS, **OPTIONS)


@pytest.mark.parametrize(
    ("compiled", "message"),
    [
        ({"steps_per_execution": 2}, "steps_per_execution: expected 1 on 2 replicas"),
        ({"jit_compile": True}, "jit_compile: expected False on 2 replicas"),
    ],
)
def test_what_cannot_run_on_replicas_is_refused(strategy, compiled, message):
    with strategy.scope():
        model = tiny()
        model.compile("adam", **compiled)
    before = weights_of(model)
    with pytest.raises(ValueError, match=message):
        model.fit_tasks(TASKS, **OPTIONS)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights_of(model), strict=True))


def test_one_process_without_a_cluster_is_its_own_chief(strategy):
    assert replicas.is_chief(strategy) and not replicas.has_workers(strategy)
    assert replicas.is_chief(tf.distribute.get_strategy())
