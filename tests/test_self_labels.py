"""Rows without a label: what a step learns of them, and what each method makes of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, tiny, weights_of
from interrupted import Signal, finish

import keras_ccl as ccl
from keras_ccl.data.splits import as_split
from keras_ccl.methods import HEADS, METHODS
from keras_ccl.models import self_labels
from keras_ccl.models.rows import current_only

X, Y = rows(60)
MISSING = np.arange(60) % 4 == 1
SOME = np.where(MISSING, -1, Y)
NONE = np.full(60, -1)
KNOWN = self_labels.Labelling(4.0, (15, 15, 15))
NETWORKS = ("encoder", "decoder", "classifier")


def blobs(n, seed):
    """Two classes far apart, in six dimensions in [0, 1]."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = np.where(y[:, np.newaxis] == 1, 0.75, 0.25) + rng.normal(0, 0.08, (n, 6))
    return x.clip(0, 1).astype("float32"), y


def quick(**options):
    """A tiny model that learns in few steps."""
    model = tiny(**options)
    model.compile(keras.optimizers.Adam(0.02))
    return model


def networks_of(model):
    return [weight for part in NETWORKS for weight in getattr(model, part).get_weights()]


def test_without_labels_a_step_is_that_of_the_image_terms():
    without, unweighed = tiny(ccl.JointVAE), tiny(ccl.JointVAE, classification_weight=0.0)
    for model, y in ((without, NONE), (unweighed, Y)):
        model.compile("sgd")
        logs = model.train_on_batch(X, y, return_dict=True)
        assert logs["loss"] == pytest.approx(logs["reconstruction"] + logs["kl"])
    for first, second in zip(networks_of(without), networks_of(unweighed), strict=True):
        np.testing.assert_array_equal(first, second)


def test_in_evaluation_a_row_without_a_label_has_its_image_terms_alone():
    model = tiny()
    model.compile("adam")
    found = model.evaluate(X, SOME, verbose=0, return_dict=True)
    whole = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert all(found[name] == whole[name] for name in ("reconstruction", "kl"))
    assert 0 < found["classification"] < whole["classification"]
    none = model.evaluate(X, NONE, verbose=0, return_dict=True)
    assert none["classification"] == 0 and np.isnan(none["accuracy"])


def begun(y):
    """A model that knows the classes of a task of these labels."""
    model = tiny()
    model.compile("adam")
    model.fit(X, y, verbose=0)
    return model


def test_the_label_that_is_missing_is_the_answer_among_the_classes_of_the_task():
    y = np.where(MISSING, -1, Y % 2)
    model = begun(y)
    assert model.task_classes.numpy().tolist() == [1, 1, 0]
    rows_ = current_only(tf.constant(X), model.one_hot(tf.constant(y)))
    found = self_labels.with_own_labels(model, rows_, KNOWN)
    among = model.classify(model.encode(X).mean()).probs_parameter().numpy()[:, :2]
    expected = np.where(MISSING[:, np.newaxis], among / among.sum(1, keepdims=True), np.eye(2)[y])
    np.testing.assert_allclose(found.y[:, :2], expected, rtol=1e-5)
    assert (found.y[:, 2].numpy() == 0).all()
    np.testing.assert_array_equal(found.label_weight, np.where(MISSING, 1.0, 4.0))


def test_a_row_is_moved_towards_the_class_that_is_second_as_far_as_rows_differ():
    model = begun(SOME)
    rows_ = current_only(tf.constant(X), model.one_hot(tf.constant(SOME)))
    found = self_labels.with_own_labels(model, rows_, KNOWN)
    moved = np.linalg.norm(found.nearby - X, axis=1)
    spread = np.sqrt(np.square(X - X.mean(0)).sum(1).mean())
    has_slope = moved > 0  # where ReLU passes nothing on there is no direction
    np.testing.assert_allclose(moved[has_slope], self_labels.REACH * spread, rtol=1e-4)

    def margin(x):
        first, second = np.sort(model.classify(model.encode(x).mean()).logits_parameter())[
            :, :-3:-1
        ].T
        return first - second

    step = X + 0.01 * (found.nearby.numpy() - X)
    assert has_slope.sum() > 50 and (margin(step) < margin(X))[has_slope].all()


def test_the_term_is_the_weighed_label_term_and_that_of_the_row_nearby():
    model = begun(SOME)
    rows_ = current_only(tf.constant(X), model.one_hot(tf.constant(SOME)))
    found = self_labels.with_own_labels(model, rows_, KNOWN)
    q = model.encode(X)
    term = self_labels.label_term(model, found, tf.ones([60]), q).numpy()
    log_p = np.log(model.classify(model.encode(found.nearby).mean()).probs_parameter())
    expected = found.label_weight.numpy() - (found.y.numpy() * log_p).sum(1)
    np.testing.assert_allclose(term, expected, rtol=1e-4)
    assert self_labels.label_term(model, rows_, tf.ones([60]), q).numpy().tolist() == [1.0] * 60


@pytest.mark.parametrize("method", slow_but(METHODS, [], ["ccl-gm"]))
def test_every_method_learns_where_labels_are_missing(method, tmp_path):
    model = tiny(METHODS[method])
    tasks = [ccl.Task((X, y), test=(X, Y)) for y in (SOME, NONE, np.where(Y == 2, -1, SOME))]
    history = model.fit_tasks(tasks, epochs=2, verbose=0)
    assert np.isfinite(history.accuracy[-1]).all() and history.unlabelled == [15, 60, 30]
    for record in history.epochs:
        assert all(np.isfinite(record[name]).all() for name in set(record) - {"accuracy"})
    assert np.isnan(history.epochs[1]["accuracy"]).all()
    assert all(np.isfinite(weight).all() for weight in weights_of(model))
    again = tiny(METHODS[method]).fit_tasks(tasks, epochs=2, verbose=0)
    np.testing.assert_array_equal(history.accuracy, again.accuracy)


def test_the_prior_has_every_row_and_no_row_is_of_a_class_that_its_task_lacks():
    model = tiny()
    model.fit_tasks([(X, np.where(MISSING, -1, Y % 2))], epochs=1, verbose=0)
    weights = np.exp(model.p_z.gaussians()[0]).reshape(3, -1).sum(1)
    assert weights.sum() == pytest.approx(1) and weights[2] == pytest.approx(0, abs=1e-6)
    model.fit_tasks([(X, NONE)], epochs=1, verbose=0)
    assert np.exp(model.p_z.gaussians()[0]).sum() == pytest.approx(1)


@pytest.mark.release
def test_fisher_information_of_rows_without_labels_is_that_of_the_image_terms():
    model = tiny(ccl.EWC)
    model.fit_tasks([(X, SOME), (X, NONE)], epochs=1, verbose=0)
    task = type("Task", (), {"train": as_split((X, NONE), model.data_spec, "", batch_size=60)})
    found = model.method.fisher_information(model, task)
    by_name = {v.path: f.numpy() for v, f in zip(model.trainable_variables, found, strict=True)}
    of_classifier = {v.path for v in model.classifier.trainable_variables}
    assert all((by_name[path] == 0).all() == (path in of_classifier) for path in by_name)


@pytest.mark.graph
@pytest.mark.parametrize("features", slow_but(["fourier", "relu"], [], ["relu"]))
def test_a_memory_counts_the_answers_of_a_task_and_no_row_of_a_task_without_labels(features):
    x, y = blobs(80, 0)
    few = np.where(np.arange(80) < 8, y, -1)
    model = quick(likelihood="gaussian", memory=features, memory_features=30)
    model.fit_tasks([(x, few)], epochs=30, verbose=0)
    counts = model.feature_memory.feature_sums.counts.numpy()
    assert counts.tolist() == [40, 40, 0]
    before = weights_of(model.feature_memory)
    model.fit_tasks([(x, NONE[:1].repeat(80))], epochs=1, verbose=0)
    assert same_weights(before, weights_of(model.feature_memory))


@pytest.mark.release
@pytest.mark.graph
def test_gaussians_of_classes_have_the_answers_at_the_end_of_a_task():
    x, y = blobs(80, 0)
    few = np.where(np.arange(80) < 10, y, -1)
    model = quick(likelihood="gaussian", memory="gaussians", memory_features=3)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_task_begin(self, task):
            seen.append(model.feature_memory.gaussians.counts.numpy().tolist())

    tasks = [(x, few), (x, np.full(80, -1)), (x, np.where(few == 1, 2, few))]
    model.fit_tasks(tasks, epochs=20, verbose=0, callbacks=[Watch()])
    counts = model.feature_memory.gaussians.counts.numpy()
    assert seen == [[5, 5, 0], [40, 40, 0], [40, 40, 5]] and counts.sum() == 160
    assert model.feature_memory.feature_sums.counts.numpy().tolist() == counts.tolist()
    assert np.isfinite(model.predict(x, verbose=0)).all()


@pytest.mark.parametrize("name", [name for name in HEADS if name != "ridge-patches"])
def test_a_head_in_closed_form_is_of_the_labelled_rows(name):
    options = {"feature_count": 20, "likelihood": "bernoulli", "seed": 0}
    head, of_labelled = (HEADS[name]((6,), 3, **options) for _ in range(2))
    head.fit_tasks([(X, SOME), (X, NONE)], verbose=0)
    of_labelled.fit_tasks([(X[~MISSING], Y[~MISSING])], verbose=0)
    assert head.feature_sums.counts.numpy().sum() == 45
    first, second = (model.predict(X, verbose=0) for model in (head, of_labelled))
    np.testing.assert_allclose(first, second, atol=2e-3)


@pytest.mark.slow
@pytest.mark.graph
def test_few_labels_and_many_rows_tell_classes_apart():
    x, y = blobs(200, 0)
    few = np.where(np.arange(200) < 4, y, -1)
    model = quick(likelihood="gaussian")
    model.fit_tasks([ccl.Task((x, few))], epochs=30, verbose=0)
    assert (model.predict(x, verbose=0).argmax(1) == y).mean() > 0.97


@pytest.mark.release
@pytest.mark.graph
def test_a_run_stopped_within_a_task_ends_as_one_that_was_not(tmp_path):
    tasks = [ccl.Task((X, SOME), test=(X, Y)), ccl.Task((X, np.where(Y == 2, -1, SOME)))]
    whole = tiny()
    history = finish(whole, tmp_path / "whole", tasks=tasks)
    with pytest.raises(KeyboardInterrupt):
        finish(tiny(), tmp_path / "parts", [Signal(5)], tasks=tasks)
    resumed = tiny()
    again = finish(resumed, tmp_path / "parts", tasks=tasks)
    assert same_weights(weights_of(whole), weights_of(resumed))
    assert again.to_json() == history.to_json()


@pytest.mark.release
@pytest.mark.graph
@pytest.mark.parametrize("how", ["jit_compile", "mixed_float16", "mixed_bfloat16"])
def test_it_is_learnt_by_compiled_steps_and_in_mixed_precision(how):
    x, y = blobs(60, 0)
    few = np.where(np.arange(60) < 12, y, -1)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if how == "jit_compile" else how)
    try:
        model = tiny(likelihood="gaussian")
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(keras.optimizers.Adam(0.02), jit_compile=how == "jit_compile")
    history = model.fit_tasks([(x, few), (x, few)], epochs=30, batch_size=20, verbose=0)
    assert all(np.isfinite(record["loss"]).all() for record in history.epochs)
    assert (model.predict(x, verbose=0).argmax(1) == y).mean() > 0.95
