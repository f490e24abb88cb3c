"""Splits: every row once an epoch, in an order that seed and epoch alone decide."""

import numpy as np
import pytest
import tensorflow as tf
from checks import rows

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.splits import as_split
from keras_ccl.data.validation import DataSpec

SPEC = DataSpec((6,), 3, True)


def epochs(split, batch_size, count, seed=(1, 2)):
    dataset, steps = split.training(batch_size, seed=tf.constant(seed))
    batches = [b.numpy() for b, _ in dataset.take(steps * count)]
    return [batches[k * steps : (k + 1) * steps] for k in range(count)]


@pytest.mark.parametrize(("n", "batch_size"), [(10, 4), (12, 4), (1, 4), (5, 1), (3, 100)])
def test_an_epoch_shows_every_row_once(n, batch_size):
    x, y = rows(n)
    for batches in epochs(ArraySplit(x, y, SPEC, "here"), batch_size, 2):
        seen = np.concatenate(batches)
        np.testing.assert_array_equal(np.sort(seen, 0), np.sort(x, 0))
        assert all(len(batch) == batch_size for batch in batches[:-1])


def test_the_order_changes_with_epoch_and_seed_and_repeats_with_them():
    split = ArraySplit(*rows(50), SPEC, "here")
    first, second = (np.concatenate(batches) for batches in epochs(split, 8, 2))
    again = np.concatenate(epochs(split, 8, 1)[0])
    other = np.concatenate(epochs(split, 8, 1, seed=(1, 3))[0])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second) and not np.array_equal(first, other)


def test_rows_and_labels_stay_together():
    x, y = rows(30)
    dataset, steps = ArraySplit(x, y, SPEC, "here").training(7, seed=tf.constant([0, 0]))
    label_of = {row.tobytes(): label for row, label in zip(x, y, strict=True)}
    for batch_x, batch_y in dataset.take(steps):
        expected = [label_of[row.tobytes()] for row in batch_x.numpy()]
        assert batch_y.numpy().tolist() == expected


@pytest.mark.parametrize("batch", [None, 4], ids=["unbatched", "batched"])
@pytest.mark.parametrize("one_hot", [False, True], ids=["integers", "one-hot"])
def test_any_dataset_becomes_batches_of_float_rows_and_integer_labels(batch, one_hot):
    x, y = rows(10)
    dataset = tf.data.Dataset.from_tensor_slices((x, np.eye(3)[y] if one_hot else y))
    dataset = dataset.batch(batch) if batch else dataset
    split = as_split(dataset, SPEC, "here", batch_size=4)
    batches = list(split.batches(4))
    assert [len(b) for b, _ in batches] == [4, 4, 2] and split.rows == 10
    assert batches[0][0].dtype == tf.float32 and batches[0][1].dtype == tf.int32
    np.testing.assert_array_equal(np.concatenate([b for _, b in batches]), y)
    np.testing.assert_array_equal(np.concatenate([b for b, _ in batches]), x)


def test_hold_out_cuts_disjoint_rows_that_are_all_there():
    x, y = rows(10)
    train, held_out = ArraySplit(x, y, SPEC, "here").hold_out(0.25)
    assert (train.rows, held_out.rows) == (7, 3)
    np.testing.assert_array_equal(np.concatenate([train.x, held_out.x]), x)
    with pytest.raises(ValueError, match="leaves none of 1 rows"):
        ArraySplit(x[:1], y[:1], SPEC, "here").hold_out(0.5)


@pytest.mark.parametrize("as_dataset", [False, True], ids=["arrays", "dataset"])
def test_some_rows_are_distinct_rows_of_the_split(as_dataset):
    x, y = rows(50)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(7) if as_dataset else (x, y)
    some, labels = as_split(data, SPEC, "here", batch_size=7).some_rows(10, seed=3)
    known = {row.tobytes(): label for row, label in zip(x, y, strict=True)}
    assert len({row.tobytes() for row in some}) == len(some) == 10
    assert [known[row.tobytes()] for row in some] == labels.tolist()


def test_batches_of_arrays_do_not_wait_for_a_tuning_thread_and_those_of_datasets_may_be_tuned():
    arrays = as_split(rows(20), SPEC, "here", batch_size=4)
    dataset = tf.data.Dataset.from_tensor_slices(rows(20)).batch(4)
    theirs = as_split(dataset, SPEC, "here", batch_size=4)
    for batches in (arrays.batches(4), arrays.training(4, seed=tf.constant([0, 0]))[0]):
        assert batches.options().autotune.enabled is False
    assert theirs.batches(4).options().autotune.enabled is not False
