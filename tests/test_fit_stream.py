"""Streams of rows in which no task is told: `fit_stream`."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import same_weights, slow_but, weights_of
from checks import tiny as tiny_with_memory

import keras_ccl as ccl
from keras_ccl.methods import HEADS, METHODS

tiny = functools.partial(tiny_with_memory, memory_features=20)

pytestmark = pytest.mark.graph

QUICK = {"repeats": 1, "epochs": 1, "verbose": 0}


def rows_of(kind, n, seed=0):
    """Rows whose mean and classes tell of which of two kinds they are."""
    rng = np.random.default_rng([seed, kind])
    y = rng.integers(0, 2, n)
    x = rng.uniform(0.0, 0.1, (n, 6))
    x[np.arange(n), y + 3 * kind] = 1.0
    return x.astype("float32"), y + kind


def moving(*sizes):
    """Kinds of rows in turn."""
    parts = [rows_of(k % 2, n, seed=k) for k, n in enumerate(sizes)]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


TESTS = [ccl.Task(None, test=rows_of(kind, 100, seed=9)) for kind in range(2)]


def test_a_change_is_found_and_handed_over_at():
    model = tiny()
    history = model.fit_stream(
        moving(2300, 1500), repeats=6, epochs=40, verbose=0, test=TESTS, measure_every=512
    )
    assert history.reasons == ["change", "end"]
    assert abs(history.boundaries[0] - 2300) < 20 and history.boundaries[1] == 3800
    assert history.boundaries[0] < history.noticed[0] <= 2300 + 576
    assert int(model.tasks_seen.numpy()) == 2
    assert history.accuracy.shape == (len(history.rows), 2) and history.rows[-1] == 3800
    assert history.accuracy[-1].min() > 0.9
    assert model.stream_history is history and "handed over" in history.table()


@pytest.mark.slow
def test_where_nothing_changes_nothing_is_handed_over_before_the_end():
    model = tiny()
    history = model.fit_stream(rows_of(0, 6000), **QUICK)
    assert history.boundaries == [6000] and history.reasons == ["end"]


@pytest.mark.slow
def test_or_every_so_many_rows_whatever_the_data():
    history = tiny().fit_stream(moving(300, 250), hand_over=200, **QUICK)
    assert history.boundaries == [200, 400, 550]
    assert history.reasons == ["rows", "rows", "end"]


FORMS = {
    "batches": lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)).batch(90),
    "rows": lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)),
    "function": lambda x, y: lambda: iter([(x[:400], y[:400]), (x[400:], y[400:])]),
    "iterator": lambda x, y: iter([(x[:400], y[:400]), (x[400:], y[400:])]),
    "weighted": lambda x, y: (x, y, np.ones(len(y))),
    "lists": lambda x, y: (x.tolist(), y.tolist()),
}


@pytest.mark.parametrize("form", slow_but(FORMS, [], ["iterator"]))
def test_every_form_is_read_as_its_rows(form):
    x, y = moving(1100)
    expected, model = tiny(), tiny()
    expected.fit_stream((x, y), **QUICK)
    model.fit_stream(FORMS[form](x, y), **QUICK)
    assert same_weights(weights_of(expected), weights_of(model))


@pytest.mark.slow
def test_each_row_is_read_once_and_an_endless_stream_ends_where_a_callback_says():
    read = []

    def endless():
        while True:
            read.append(len(read))
            yield rows_of(0, 512, seed=len(read))

    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch >= 2

    history = tiny().fit_stream(endless(), callbacks=[Enough()], **QUICK)
    assert history.boundaries == [3 * 512]
    assert len(read) <= 8  # what tf.data reads ahead


def test_no_row_from_before_a_hand_over_is_held():
    held = []

    class Held(keras.callbacks.Callback):
        def on_task_begin(self, task):
            held.append(task.train.x.copy())

        def on_task_end(self, task):
            held.append(task.train.x.copy())

    x, y = moving(1024)
    tiny().fit_stream((x, y), hand_over=512, most_rows=200, callbacks=[Held()], **QUICK)
    for number, part in enumerate(held):
        of_segment = x[:512] if number < 2 else x[512:]
        assert len(part) == 200
        np.testing.assert_array_equal(part[-100:], of_segment[-100:])
        assert {row.tobytes() for row in part} <= {row.tobytes() for row in of_segment}


@pytest.mark.slow
def test_a_change_that_fades_in_is_found_too():
    tasks = [ccl.Task(rows_of(kind, 8000), test=TESTS[kind].test) for kind in range(2)]
    stream = ccl.streams.blurred(tasks, mixing=0.05)
    history = tiny().fit_stream(stream.rows, epochs=20, verbose=0, test=TESTS)
    assert "change" in history.reasons and 4000 < history.boundaries[0] < 10_000
    assert history.accuracy[-1].min() > 0.9


@pytest.mark.parametrize("method", slow_but(METHODS, [], ["lwf", "ewc"]))
def test_every_method_learns_a_stream(method):
    model = tiny(METHODS[method])
    history = model.fit_stream(moving(600, 600), hand_over=600, test=TESTS, **QUICK)
    assert len(history) == 2 and np.isfinite(history.accuracy).all()


@pytest.mark.slow
def test_models_that_meet_classes_as_they_come_learn_a_stream():
    names = np.array(["ant", "bee", "cat"])
    x, y = moving(1500, 900)
    tests = [ccl.Task(None, test=(u, names[v])) for u, v in (task.test for task in TESTS)]
    model = tiny(num_classes=None)
    history = model.fit_stream(
        (x, names[y]), repeats=6, epochs=20, verbose=0, test=tests, measure_every=512
    )
    assert history.reasons == ["change", "end"]
    assert model.class_names == ("ant", "bee", "cat")
    assert np.isnan(history.accuracy[0, 1]) and history.accuracy[-1].min() > 0.8
    assert "null" in history.to_json()


@pytest.mark.slow
def test_going_on_with_another_call_and_with_tasks():
    model = tiny()
    model.fit_stream(moving(600), **QUICK)
    again = model.fit_stream(moving(600), **QUICK)
    assert again.tasks_before == 1 and int(model.tasks_seen.numpy()) == 2
    model.fit_tasks([moving(60)], epochs=1, verbose=0)
    assert int(model.tasks_seen.numpy()) == 3


@pytest.mark.release
def test_two_replicas_learn_a_stream(strategy):
    with strategy.scope():
        model = tiny()
    history = model.fit_stream(moving(600, 600), hand_over=600, test=TESTS, **QUICK)
    assert len(history) == 2 and np.isfinite(history.accuracy).all()


@pytest.mark.release
def test_behind_a_backbone_rows_are_held_as_features():
    held = []

    class Held(keras.callbacks.Callback):
        def on_task_end(self, task):
            held.append(task.train.x.shape)

    backbone = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, activation="relu")])
    model = ccl.CCLGM((6,), 3, backbone=backbone, latent_dim=2, prior_components=2, seed=0)
    history = model.fit_stream(
        moving(600, 600), hand_over=600, test=TESTS, callbacks=[Held()], **QUICK
    )
    assert held == [(600, 8)] * 2 and model.memory == "gaussians"
    assert np.isfinite(history.accuracy).all()
    assert model.feature_memory.gaussians.counts.numpy().min() > 0


@pytest.mark.slow
def test_recorders_see_one_fit(tmp_path):
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    tiny().fit_stream(moving(1100), hand_over=600, callbacks=log, **QUICK)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 + 1 + 2 + 1  # blocks, and an epoch at each hand-over
    assert "task" in lines[0]


def test_bad_arguments_are_refused_before_anything_changes():
    model, (x, y) = tiny(), moving(100)
    before = weights_of(model)
    for rows, told in (
        ((x, y + 9), "stream: expected labels from 0 to 2, received"),
        ((x[:, :2], y), "stream: x is"),
        (tf.data.Dataset.from_tensor_slices((x[:, :2], y)), "stream: x is"),
        ((x * np.nan, y), "stream: expected finite x"),
        (iter([]), "stream: expected at least one row"),
    ):
        with pytest.raises(ValueError, match=told):
            model.fit_stream(rows, **QUICK)
    with pytest.raises(TypeError, match="stream: expected a tuple"):
        model.fit_stream(3, **QUICK)
    with pytest.raises(ValueError, match="hand_over: expected a finite integer > 0; received 0"):
        model.fit_stream((x, y), hand_over=0, **QUICK)
    with pytest.raises(ValueError, match="epochs: expected a finite integer"):
        model.fit_stream((x, y), epochs=0)
    with pytest.raises(TypeError, match="test, task 1: expected Task"):
        model.fit_stream((x, y), test=[(x, y)], **QUICK)
    with pytest.raises(TypeError, match="fit_stream: expected a model with a bound"):
        HEADS["ridge"]((6,), 3).fit_stream((x, y), **QUICK)
    assert same_weights(before, weights_of(model)) and not model.tasks_seen.numpy()


def test_bad_rows_that_come_later_cost_no_row_before_them():
    x, y = moving(1500)
    late = y.copy()
    late[1200] = 7

    def batches(labels):
        return tf.data.Dataset.from_tensor_slices((x, labels)).batch(100)

    model = tiny()
    with pytest.raises(ValueError, match="stream, rows 1025 to 1500: expected labels from 0 to 2"):
        model.fit_stream(batches(late), **QUICK)
    assert model.stream_history.boundaries == []
    assert np.isfinite(model.predict(x[:5], verbose=0)).all()
    model.fit_stream(batches(y), **QUICK)
    assert int(model.tasks_seen.numpy()) == 1


def test_data_that_fail_are_told_with_the_row():
    x, y = moving(600)

    def failing():
        yield x, y
        raise OSError("the line is dead")

    with pytest.raises(RuntimeError, match="stream, after row 600: .*the line is dead"):
        tiny().fit_stream(failing, **QUICK)
