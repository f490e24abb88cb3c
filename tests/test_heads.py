"""Heads in closed form: the same in any order of the rows, and Keras models like the others."""

import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, weights_of

import keras_ccl as ccl
from keras_ccl.methods.registry import HEADS
from keras_ccl.models.fixed_features import FEATURES

SHAPE = (6, 6, 1)
each_head = pytest.mark.parametrize("name", HEADS)
two_heads = pytest.mark.parametrize("name", slow_but(["ridge-patches", "lda"], ("ridge-patches",)))


def head(name, shape=SHAPE, num_classes=3, **options):
    return HEADS[name](shape, num_classes, **{"feature_count": 50, "seed": 0, **options})


def blobs(n=60, shape=SHAPE, num_classes=3, seed=0, spread=0.05):
    """Rows about a pattern per class, in the unit range."""
    patterns = np.random.default_rng(99).uniform(0.2, 0.8, (num_classes, *shape))
    rng = np.random.default_rng(seed)
    y = np.arange(n) % num_classes
    x = patterns[y] + spread * rng.standard_normal((n, *shape))
    return np.clip(x, 0, 1).astype("float32"), y.astype("int32")


def by_class(x, y):
    return [(x[y == k], y[y == k]) for k in np.unique(y)]


@each_head
def test_a_stream_of_classes_is_learnt_as_its_rows_at_once(name):
    x, y = blobs()
    one_by_one, at_once = head(name), head(name)
    history = one_by_one.fit_tasks(
        [ccl.Task(task, test=task) for task in by_class(x, y)], batch_size=7, verbose=0
    )
    at_once.fit_tasks([(x, y)], verbose=0)
    assert history.average_accuracy.tolist() == [1, 1, 1] and history.forgetting[-1] == 0
    assert np.isnan(history.negative_elbo).all() and "nan" in history.table()
    found, expected = one_by_one.predict(x, verbose=0), at_once.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


@each_head
def test_a_class_that_no_row_had_has_no_chance(name):
    x, y = blobs()
    model = head(name)
    model.fit_tasks([(x[y < 2], y[y < 2])], verbose=0)
    assert model.predict(x, verbose=0)[:, 2].max() == 0


@two_heads
def test_heads_are_saved_loaded_and_go_on(name, tmp_path):
    x, y = blobs()
    first, *rest = by_class(x, y)
    model, whole = head(name), head(name)
    model.fit_tasks([first], verbose=0)
    model.save(tmp_path / "head.keras")
    loaded = ccl.load_model(tmp_path / "head.keras")
    assert type(loaded) is type(model) and loaded.options() == model.options()
    loaded.fit_tasks(rest, verbose=0)
    whole.fit_tasks([first, *rest], verbose=0)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), whole.predict(x, verbose=0), atol=1e-5)


@two_heads
def test_heads_are_exported_and_verified(name, tmp_path):
    pytest.importorskip("tf2onnx")
    x, y = blobs()
    model = head(name)
    model.fit_tasks(by_class(x, y), verbose=0)
    found = ccl.export_student(model, tmp_path / "out", formats="onnx", examples=(x, y))
    assert list(found["artefacts"]) == ["classifier.onnx"]
    assert found["artefacts"]["classifier.onnx"]["accuracy"] == 1
    assert found["familiarity_of_examples"] is None and found["latent_dim"] is None


def test_a_stopped_run_goes_on(tmp_path):
    tasks = by_class(*blobs())

    class Stop(RuntimeError):
        pass

    def fail_after(batches):
        for k, rows_of_batch in enumerate(batches):
            if k == 1:
                raise Stop
            yield rows_of_batch

    stopped, whole = head("ridge"), head("ridge")
    x, y = tasks[1]
    failing = lambda: fail_after([(x[:5], y[:5]), (x[5:], y[5:])])  # noqa: E731
    with pytest.raises((Stop, RuntimeError, ValueError)):
        stopped.fit_tasks([tasks[0], failing], checkpoint_dir=tmp_path, verbose=0)
    assert int(stopped.tasks_seen) == 1
    assert stopped.feature_sums.counts.numpy().sum() == len(tasks[0][1])
    whole.fit_tasks(tasks, checkpoint_dir=tmp_path / "other", verbose=0)
    again = head("ridge")
    again.fit_tasks(tasks, checkpoint_dir=tmp_path / "other", verbose=0)  # nothing is left to do
    assert same_weights(weights_of(whole), weights_of(again))


@pytest.mark.slow
@pytest.mark.graph
@two_heads
def test_a_compiled_step_adds_the_same(name):
    compiled, plain = head(name), head(name)
    compiled.compile("adam", jit_compile=True)
    for model in (compiled, plain):
        model.fit_tasks(by_class(*blobs()), batch_size=16, verbose=0)
    np.testing.assert_allclose(
        compiled.feature_sums.products, plain.feature_sums.products, rtol=1e-4, atol=1e-4
    )


@each_head
def test_more_than_one_pass_is_refused_before_anything_changes(name):
    model = head(name)
    for call in (
        lambda: model.fit_tasks([blobs()], epochs=2, verbose=0),
        lambda: (model.compile("sgd"), model.fit(*blobs(), epochs=2, verbose=0)),
    ):
        with pytest.raises(ValueError, match="epochs: expected 1 or None .* received 2"):
            call()
    assert int(model.tasks_seen) == 0 and not model.feature_sums.counts.numpy().any()


def test_rows_count_by_their_weight():
    x, y = blobs()
    twice, weighed = head("lda"), head("lda")
    twice.fit_tasks([(np.concatenate([x, x[:9]]), np.concatenate([y, y[:9]]))], verbose=0)
    weighed.fit_tasks([(x, y, np.where(np.arange(len(y)) < 9, 2.0, 1.0))], verbose=0)
    np.testing.assert_allclose(twice.feature_sums.counts, weighed.feature_sums.counts)
    np.testing.assert_allclose(
        twice.predict(x, verbose=0), weighed.predict(x, verbose=0), atol=1e-4
    )


@pytest.mark.parametrize("features", slow_but(["raw", "relu", "fourier"], ("raw",)))
def test_vectors_in_any_units_are_standardised_by_the_first_task(features):
    rng = np.random.default_rng(0)
    y = np.arange(80) % 4
    x = rng.standard_normal((4, 5))[y] * 3 + 0.3 * rng.standard_normal((80, 5))
    for scale, shift in ((1, 0), (1e4, -5e4), (1e-4, 3)):
        model = ccl.RandomFeatureRidge((5,), 4, features=features, feature_count=60, seed=1)
        task = (x * scale + shift).astype("float32"), y
        model.fit_tasks(by_class(*task), verbose=0)
        assert model.evaluate(*task, verbose=0, return_dict=True)["accuracy"] > 0.95


def test_features_that_hardly_vary_are_told_from_their_mean(monkeypatch):
    """Blank patches are the same in every image: sums in float32 must not drown in them."""
    x, y = blobs(600, spread=0.02)
    monkeypatch.setattr(
        ccl.RandomFeatureRidge,
        "featurize",
        lambda self, x: 3.0 + 0.01 * tf.reshape(x, [-1, 36]),
    )
    model = ccl.RandomFeatureRidge(SHAPE, 3, features="raw")
    for _ in range(3):
        model.fit_tasks(by_class(x, y), batch_size=16, verbose=0)
    scatter = model.feature_sums.moments().products
    assert np.linalg.eigvalsh(scatter).min() > -1e-6 * np.abs(scatter).max()
    assert model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] == 1


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("shape", [(28, 28, 1), (3, 5, 3), (1, 1, 1)])
def test_features_have_the_size_that_they_tell_and_follow_from_a_seed(features, shape):
    def values(seed):
        made = FEATURES[features](shape, size=70, unit_range=True, seed=seed)
        return made, made(tf.constant(rows(4, shape)[0])).numpy()

    made, found = values(0)
    assert found.shape == (4, made.size) and np.isfinite(found).all()
    np.testing.assert_array_equal(found, values(0)[1])
    assert features == "raw" or not np.array_equal(found, values(1)[1])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected 'patches' for images .* received input_shape"):
        ccl.RandomFeatureRidge((5,), 2, features="patches")
    with pytest.raises(ValueError, match="penalty"):
        ccl.RandomFeatureRidge((5,), 2, penalty=0)
    with pytest.raises(ValueError, match="features"):
        ccl.StreamingLDA((5,), 2, features="learnt")
