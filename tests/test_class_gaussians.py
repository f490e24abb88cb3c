"""Gaussians of the rows of each class: what they keep, and that replay draws of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import same_weights, tiny, weights_of
from interrupted import Signal

import keras_ccl as ccl
from keras_ccl.bounds.low_rank import LowRank
from keras_ccl.models import class_gaussians

OPTIONS = {"epochs": 2, "batch_size": 60, "verbose": 0}
"""Of 120 rows a task: 2 steps an epoch, 4 a task."""


def correlated(n=120, dim=6, classes=(0, 1, 2, 3), seed=0):
    """Rows of classes that differ in mean and covariance."""
    rng = np.random.default_rng(seed)
    y = rng.choice(classes, n).astype("int32")
    mixing = np.random.default_rng(7).normal(size=(4, dim, dim))
    means = 3 * np.random.default_rng(8).normal(size=(4, dim))
    noise = np.einsum("nd,nde->ne", rng.normal(size=(n, dim)), mixing[y])
    return (means[y] + noise).astype("float32"), y


def task(classes, seed=0, n=120):
    return ccl.Task(correlated(n, classes=classes, seed=seed))


def new(**options):
    given = {"num_classes": 4, "likelihood": None, "memory": "gaussians", "observation_scale": 1.0}
    return tiny(**{**given, **options})


def known_from_the_start(model, classes):
    """A task whose learning began."""
    split = ccl.data.array_split.ArraySplit(*task(classes).train, model.data_spec, "task 2, train")
    model.feature_memory.begin(split, model.observe)
    model.method.variant = True
    return split


def covariance(gaussian):
    return gaussian.factors.T @ gaussian.factors + np.diag(gaussian.rest)


def nothing(dim, rank):
    return LowRank(0.0, np.zeros(dim), np.zeros((rank, dim)), np.zeros(dim))


def of_class(gaussians, k):
    states = gaussians.counts, gaussians.means, gaussians.factors, gaussians.rest
    return LowRank(*(state.numpy()[k] for state in states))


def assert_is_of(gaussian, x, **tolerance):
    np.testing.assert_allclose(gaussian.mean, x.mean(0), **tolerance)
    np.testing.assert_allclose(covariance(gaussian), np.cov(x.T, bias=True), **tolerance)


def test_of_full_rank_it_is_exact_whatever_the_parts_and_weights():
    x, _ = correlated(classes=(1,))
    weights = np.random.default_rng(0).integers(0, 3, len(x)).astype(float)
    repeated = np.repeat(x, weights.astype(int), 0)
    found = nothing(6, 6)
    for part in np.array_split(np.arange(len(x)), [1, 5, 60]):
        found = found.with_rows(x[part], weights[part])
    assert found.seen == len(repeated)
    assert_is_of(found, repeated, rtol=1e-5, atol=1e-5)
    assert found.with_rows(x[:3], np.zeros(3)) is found


def test_of_less_it_keeps_the_largest_directions_and_every_variance():
    x, _ = correlated(classes=(2,))
    found = nothing(6, 2).with_rows(x, np.ones(len(x)))
    expected = np.cov(x.T, bias=True)
    np.testing.assert_allclose(np.diag(covariance(found)), np.diag(expected), rtol=1e-6)
    largest = np.linalg.eigvalsh(expected)[::-1][:2]
    np.testing.assert_allclose(np.square(found.factors).sum(1), largest, rtol=1e-6)


@pytest.mark.slow
def test_each_class_is_that_of_its_real_rows_though_it_come_again():
    model = new()
    tasks = [task((0, 1)), task((2,), seed=1), task((1, 3), seed=2)]
    model.fit_tasks(tasks, **OPTIONS, validation_split=0.0)
    x, y = (np.concatenate(parts) for parts in zip(*(t.train for t in tasks), strict=True))
    np.testing.assert_array_equal(model.feature_memory.gaussians.counts.numpy(), np.bincount(y))
    for k in range(4):
        assert_is_of(of_class(model.feature_memory.gaussians, k), x[y == k], rtol=1e-3, atol=1e-3)
    assert not model.feature_memory.gaussians.new.numpy().any()


@pytest.mark.parametrize("contrast", [0.0, 0.5])
def test_distances_from_the_mean_vary_as_among_real_rows(contrast):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4000, 40)) * np.exp(contrast * rng.normal(size=(4000, 1)))
    found = nothing(40, 6)
    for part in np.array_split(noise, 10):
        found = found.with_rows(part, np.ones(len(part)))
    assert found.heaviness_of(noise, np.ones(len(noise))) == pytest.approx(contrast**2, abs=0.02)
    model = new(input_shape=(40,))
    x = (10 + noise).astype("float32")
    model.fit_tasks([ccl.Task((x, np.ones(4000, "int32")))], epochs=1, batch_size=512, verbose=0)
    drawn, _ = model.feature_memory.draw(tf.constant(20_000), tf.constant([1, 2]), of_new=True)
    real, ours = (np.linalg.norm(rows - 10, axis=1) for rows in (x, drawn))
    assert np.log(ours).std() == pytest.approx(np.log(real).std(), rel=0.15)
    assert np.square(ours).mean() == pytest.approx(np.square(real).mean(), rel=0.1)


@pytest.mark.slow
def test_large_classes_are_taken_in_parts(monkeypatch):
    found = []
    for rows_at_once in (10_000, 16):
        monkeypatch.setattr(class_gaussians, "ROWS_AT_ONCE", rows_at_once)
        model = new()
        model.fit_tasks([task((0, 1))], **OPTIONS)
        found.append(of_class(model.feature_memory.gaussians, 1))
    np.testing.assert_allclose(covariance(found[0]), covariance(found[1]), rtol=1e-3, atol=1e-3)


def test_drawn_rows_have_the_means_and_the_shrunk_covariances():
    model = new(observation_scale=None)  # standardised, and drawn as they were
    task_rows = task((0, 1), n=4000)
    model.fit_tasks([task_rows], epochs=1, batch_size=500, verbose=0)
    model.method.variant = True
    drawn = model.method.generate_rows(model, tf.constant(40_000))
    x, y = drawn.x.numpy(), drawn.y.numpy().argmax(1)
    of = [task_rows.train[0][task_rows.train[1] == k] for k in (0, 1)]
    own, other = (np.cov(rows.T) for rows in of)
    counts = model.feature_memory.gaussians.counts.numpy()
    share = 0.5 * counts[0] / (counts[0] + 20)
    mean_of_all = (counts[0] * own + counts[1] * other) / counts.sum()
    expected = share * own + (1 - share) * mean_of_all
    np.testing.assert_allclose(x[y == 0].mean(0), of[0].mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(x[y == 0].T), expected, atol=0.06 * expected.max())
    np.testing.assert_allclose(
        np.bincount(y, minlength=4) / len(y), counts / counts.sum(), atol=0.01
    )


def test_a_task_begun_anew_is_known_anew_and_only_old_classes_are_drawn_for_validation():
    model = new()
    model.fit_tasks([task((0,))], **OPTIONS)
    for classes in ((1, 2), (2,)):  # the first never ends
        known_from_the_start(model, classes)
    assert (model.feature_memory.gaussians.counts.numpy() > 0).tolist() == [
        True,
        False,
        True,
        False,
    ]
    assert model.feature_memory.gaussians.new.numpy().tolist() == [0, 0, 1, 0]
    assert set(model.method.old_rows(model, 50)[1]) == {0}
    assert set(model.method.generate_rows(model, tf.constant(200)).y.numpy().argmax(1)) == {0, 2}


def test_new_classes_are_not_distilled():
    model = new()
    model.fit_tasks([task((0,))], **OPTIONS)
    split = known_from_the_start(model, (1,))
    only = [0.0, 1.0, 0.0, 0.0]  # so that no other class is drawn
    model.feature_memory.gaussians.counts.assign(only)
    x, y = split.some_rows(16, seed=0)
    rows = model.method.rows(model, tf.constant(x), tf.one_hot(y, 4))
    terms = model.method.terms(model, rows, model.infer(rows.x, (0, 1), training=True))
    assert terms["distillation"].numpy() == 0
    assert np.isfinite(terms["novelty"].numpy())


@pytest.mark.slow
def test_where_a_task_has_every_class_the_teacher_generates():
    model = new()
    history = model.fit_tasks([task((0, 1, 2, 3)), task((0, 1, 2, 3), seed=1)], **OPTIONS)
    assert len(history) == 2
    generated = model.method.generate_rows(model, tf.constant(20)).y.numpy()
    assert ((generated > 0) & (generated < 1)).any()  # labels of the teacher, no classes


@pytest.mark.slow
def test_a_run_stopped_within_the_second_task_ends_as_one_that_was_not(tmp_path):
    tasks = [task((0, 1)), task((1, 2), seed=1), task((3,), seed=2)]
    whole = new()
    whole.fit_tasks(tasks, **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        new().fit_tasks(tasks, checkpoint_dir=tmp_path, callbacks=[Signal(5)], **OPTIONS)
    resumed = new()
    resumed.fit_tasks(tasks, checkpoint_dir=tmp_path, **OPTIONS)
    assert same_weights(weights_of(whole), weights_of(resumed))


@pytest.mark.slow
def test_a_saved_model_goes_on_with_them(tmp_path):
    model = new()
    model.fit_tasks([task((0, 1))], **OPTIONS)
    model.save(tmp_path / "model.keras")
    loaded = ccl.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit_tasks([task((2, 3), seed=1)], **OPTIONS)
    assert same_weights(weights_of(model), weights_of(loaded))


STREAM = [task((0, 1)), task((2,), seed=1), task((1, 3), seed=2)]


def learns_them_all(model):
    history = model.fit_tasks(STREAM, **OPTIONS)
    assert np.isfinite([record["loss"] for record in history.epochs]).all()
    assert model.feature_memory.gaussians.counts.numpy().all()
    assert np.isfinite(model.predict(STREAM[0].train[0], verbose=0)).all()


@pytest.mark.slow
@pytest.mark.graph
def test_they_are_learnt_and_drawn_where_steps_are_compiled():
    model = new()
    model.compile(jit_compile=True)
    learns_them_all(model)


@pytest.mark.release
@pytest.mark.graph
def test_they_are_learnt_and_drawn_on_two_replicas(strategy):
    with strategy.scope():
        model = new()
    learns_them_all(model)


@pytest.mark.slow
@pytest.mark.graph
def test_they_are_float32_in_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = new()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {weight.dtype for weight in model.feature_memory.gaussians.weights} == {"float32"}
    learns_them_all(model)
