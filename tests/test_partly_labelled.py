"""Streams whose labels are hidden but for some."""

import json

import numpy as np
import pytest
import tensorflow as tf
from checks import rows

import keras_ccl as ccl
from keras_ccl.data.fingerprints import Fingerprints

NAMES = np.array(["cat", "dog", "eel"])
X, Y = rows(60)


def test_hidden_labels_are_hidden_class_by_class_and_by_a_seed():
    y = np.repeat([0, 1, 2], [100, 40, 3])
    x = np.zeros((143, 6), np.float32)
    stream = ccl.TaskStream([(x, y), lambda: (x, y), (x, y, np.ones(143))])
    shown = ccl.streams.partly_labelled(stream, fraction=0.1, seed=5)
    for task in shown:
        kept = (task.train() if callable(task.train) else task.train)[1]
        assert [int((kept == k).sum()) for k in (-1, 0, 1, 2)] == [128, 10, 4, 1]
        assert (y[kept >= 0] == kept[kept >= 0]).all()
    again = ccl.streams.partly_labelled(stream, fraction=0.1, seed=5)
    other = ccl.streams.partly_labelled(stream, fraction=0.1, seed=6)
    first, second = shown[0].train[1], shown[1].train()[1]
    np.testing.assert_array_equal(first, again[0].train[1])
    assert (first != other[0].train[1]).any() and (first != second).any()
    (three,) = ccl.streams.partly_labelled(ccl.TaskStream([(x, y)]), per_class=5)
    assert [int((three.train[1] == k).sum()) for k in (0, 1, 2)] == [5, 5, 3]
    (none,) = ccl.streams.partly_labelled(ccl.TaskStream([(x, y)]), fraction=0)
    assert (none.train[1] == -1).all()


def test_names_one_hot_rows_and_streams_are_hidden_too():
    (named,) = ccl.streams.partly_labelled(ccl.TaskStream([(X, NAMES[Y])]), per_class=2)
    assert sum(name is not None for name in named.train[1]) == 6
    (one_hot,) = ccl.streams.partly_labelled(ccl.TaskStream([(X, np.eye(3)[Y])]), per_class=2)
    assert one_hot.train[1].sum() == 6 and one_hot.train[1].shape == (60, 3)
    stream = ccl.streams.split(ccl.Task((X, Y), test=(X, Y)))
    for task in ccl.streams.partly_labelled(stream, fraction=0.5):
        assert (task.train()[1] == -1).mean() == 0.5 and (task.test()[1] >= 0).all()


def test_a_run_knows_which_labels_were_hidden():
    stream = ccl.streams.split(ccl.Task((X, Y)))
    of = [
        Fingerprints().of(ccl.streams.partly_labelled(stream, per_class=2, seed=seed)[0].train)
        for seed in (0, 0, 1)
    ]
    assert of[0] == of[1] != of[2] and json.dumps(of[0])
    assert Fingerprints().of(stream[0].train) == {k: v for k, v in of[0].items() if k != "then"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "expected one of fraction and per_class, received fraction=None and per_class=None"),
        ({"fraction": 0.1, "per_class": 1}, "expected one of fraction and per_class"),
        ({"fraction": 1.5}, "fraction: expected a share in"),
        ({"per_class": 0}, "per_class: expected a finite integer > 0"),
    ],
)
def test_what_cannot_be_hidden_is_refused(options, told):
    with pytest.raises(ValueError) as refused:
        ccl.streams.partly_labelled(ccl.TaskStream([(X, Y)]), **options)
    assert told in str(refused.value)
    dataset = tf.data.Dataset.from_tensor_slices((X, Y))
    with pytest.raises(TypeError, match="partly_labelled, task 1, train: expected a tuple"):
        ccl.streams.partly_labelled(ccl.TaskStream([dataset]), fraction=0.5)
    with pytest.raises(ValueError, match="split: expected a label for each row"):
        ccl.streams.split(ccl.Task((X, np.where(Y == 1, -1, Y))))
