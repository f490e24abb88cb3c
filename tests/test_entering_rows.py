"""Rows are checked wherever they enter, and what an error ends leaves what was learnt before."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.data import dataset_split

X, Y = rows(12)


def turning_bad(bad, *, after):
    """A dataset of 3 batches of 4 rows, whose pass of this number ends in rows that do not fit."""
    passes = [0]

    def batches():
        passes[0] += 1
        yield from ((X[i : i + 4], Y[i : i + 4]) for i in (0, 4))
        yield (X[8:], Y[8:]) if passes[0] < after else bad

    spec = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.float32))
    return tf.data.Dataset.from_generator(batches, output_signature=spec)


LATER = {
    "a label": ((X[8:], Y[8:] + 5), "expected labels from 0 to 2, received"),
    "a fractional label": ((X[8:], Y[8:] + 0.5), "expected integer labels, received"),
    "bytes": ((255 * X[8:], Y[8:]), r"expects x in \[0, 1\], received x from .*; divide by 255"),
    "NaN": ((X[8:] * np.nan, Y[8:]), "expected finite x"),
}


@pytest.mark.parametrize("name", slow_but(LATER, ["bytes"]))
def test_rows_that_turn_bad_in_a_later_pass_end_the_task_where_they_enter(name):
    bad, message = LATER[name]
    model, expected = (tiny(ccl.JointVAE, prior="normal") for _ in range(2))
    expected.fit_tasks([turning_bad(bad, after=9)], epochs=1, verbose=0, learning_rate_decay=None)
    told = f"^task 1, train, epoch 2, step 3: .*{message}.*. The model is that of the end of"
    with pytest.raises(ValueError, match=told):
        data = turning_bad(bad, after=3)  # the first pass is the check before the first step
        model.fit_tasks([data], epochs=3, verbose=0, learning_rate_decay=None)
    for slot in ("encoder", "decoder", "classifier"):
        assert same_weights(*(weights_of(getattr(each, slot)) for each in (expected, model)))
    assert int(model.tasks_seen) == 0 and len(model.task_history) == 0


def test_rows_beyond_the_steps_of_the_first_epoch_are_checked_when_they_come():
    x = np.concatenate([X, X * 255])
    data = tf.data.Dataset.from_tensor_slices((x, np.tile(Y, 2))).batch(4)
    with pytest.raises(ValueError, match="task 1, train, epoch 2, step 2: .*divide by 255"):
        tiny().fit_tasks([data], epochs=3, steps_per_epoch=2, verbose=0)


def test_a_dataset_without_an_end_says_what_it_needs(monkeypatch):
    def rows_forever():
        yield from ((X, Y) for _ in range(30))  # an end, so that the test has one
        raise KeyError("enough")

    spec = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.int32))
    data = tf.data.Dataset.from_generator(rows_forever, output_signature=spec)
    monkeypatch.setattr(dataset_split, "PATIENCE_SECONDS", 0)
    with (
        pytest.warns(
            UserWarning, match="task 1, train: 12 rows were read .* needs steps_per_epoch"
        ),
        pytest.raises(ValueError, match="expected a dataset that can be read"),
    ):
        tiny().fit_tasks([data], verbose=0)


def test_what_a_callback_does_to_an_array_changes_nothing_until_it_is_reached():
    x = X.copy()

    class Spoils(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            x[:] = 0.5

    model, expected = tiny(), tiny()
    expected.fit_tasks([(X.copy(), Y)], epochs=1, verbose=0)
    model.fit_tasks([(x, Y)], epochs=1, verbose=0, callbacks=[Spoils()])
    assert same_weights(weights_of(expected), weights_of(model))


def test_a_test_split_that_fails_leaves_the_history_of_the_tasks_before():
    model = tiny(ccl.JointVAE, prior="normal")
    tasks = [ccl.Task((X, Y), test=(X, Y)), ccl.Task((X, Y), test=lambda: 1 / 0)]
    with pytest.raises(ZeroDivisionError):
        model.fit_tasks(tasks, epochs=1, verbose=0)
    assert model.task_history.task_names == ["task 1"]
    assert model.task_history.accuracy.shape == (1, 1)
    bad = ccl.Task((X, Y), test=turning_bad((255 * X[8:], Y[8:]), after=2))
    with pytest.raises(ValueError, match="^task 3, test: .*divide by 255"):
        model.fit_tasks([bad], epochs=1, verbose=0)
