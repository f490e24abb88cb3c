"""Streams: what each task shows, and what any list a user passes becomes."""

import numpy as np
import pytest
import tensorflow as tf
from checks import rows

from keras_ccl import Task, TaskStream
from keras_ccl.data import streams
from keras_ccl.data.tasks import as_stream


@pytest.fixture
def images():
    x, y = rows(20, (6, 6, 1), 4)
    return Task(train=(x, y), test=(x[::-1], y[::-1]), name="images")


def shown(split):
    return split() if callable(split) else split


def test_the_first_permuted_task_is_the_identity(images):
    first = streams.permuted(images, tasks=3)[0]
    np.testing.assert_array_equal(shown(first.train)[0], images.train[0])


def test_a_split_is_called_or_unpacked(images):
    for task in (streams.permuted(images, tasks=2)[1], streams.split(images)[1]):
        (x, y), (u, v) = task.train, task.train()
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def test_a_permutation_moves_pixels_alike_in_every_row_and_split(images):
    task = streams.permuted(images, tasks=3, seed=4)[2]
    x, y = shown(task.train)
    test_x, _ = shown(task.test)
    flat, original = x.reshape(20, -1), images.train[0].reshape(20, -1)
    order = [int(np.flatnonzero((original == column[:, None]).all(0))[0]) for column in flat.T]
    assert sorted(order) == list(range(36)) and order != list(range(36))
    np.testing.assert_array_equal(test_x, x[::-1])
    np.testing.assert_array_equal(y, images.train[1])


def test_permutations_come_from_the_seed_and_differ_between_tasks(images):
    def second(seed, task=1):
        return shown(streams.permuted(images, tasks=3, seed=seed)[task].train)[0]

    np.testing.assert_array_equal(second(1), second(1))
    assert not np.array_equal(second(1), second(2))
    assert not np.array_equal(second(1), second(1, task=2))


def test_a_permutation_does_not_depend_on_how_many_tasks_follow(images):
    short, long = (streams.permuted(images, tasks=t, seed=1)[1] for t in (2, 9))
    np.testing.assert_array_equal(shown(short.train)[0], shown(long.train)[0])


def test_a_quarter_turn_is_numpys(images):
    turned, _ = shown(streams.rotated(images, tasks=2, degrees=180.0)[1].train)
    np.testing.assert_allclose(turned, np.rot90(images.train[0], axes=(1, 2)), atol=1e-5)


def test_rotations_start_upright_and_keep_the_range(images):
    stream = streams.rotated(images, tasks=4)
    np.testing.assert_array_equal(shown(stream[0].train)[0], images.train[0])
    x, _ = shown(stream[1].train)
    assert x.min() >= 0 and x.max() <= 1 and not np.array_equal(x, images.train[0])


def test_split_partitions_the_classes_and_rows(images):
    stream = streams.split(images, classes_per_task=3, order=[2, 0, 3, 1])
    seen = [sorted(set(shown(task.train)[1].tolist())) for task in stream]
    assert seen == [[0, 2, 3], [1]]
    assert sum(len(shown(task.train)[0]) for task in stream) == 20
    assert set(shown(stream[1].test)[1].tolist()) == {1}


def test_split_refuses_another_order(images):
    with pytest.raises(ValueError, match=r"expected a rearrangement of \[0, 1, 2, 3\]"):
        streams.split(images, order=[0, 1, 2])


def test_a_seed_draws_the_order_of_the_classes():
    x = np.arange(40, dtype=np.uint8).reshape(20, 2)
    data = Task((x, np.arange(20)))

    def classes(**options):
        stream = streams.split(data, classes_per_task=10, **options)
        return [shown(task.train)[1].tolist() for task in stream]

    drawn = classes(seed=1)
    assert drawn == classes(seed=1) and drawn != classes(seed=2)
    assert sorted(np.ravel(drawn)) == list(range(20)) and sorted(drawn[0]) != list(range(10))
    with pytest.raises(ValueError, match=r"split: expected an order or a seed, received \[0, "):
        classes(seed=1, order=range(20))


def test_a_task_of_many_classes_has_a_short_name_of_its_own():
    data = Task((np.zeros((100, 1)), np.arange(100)))
    names = [task.name for task in streams.split(data, classes_per_task=10, seed=0)]
    assert len(set(names)) == 10 and max(map(len, names)) < 32
    order = [7, 3, 9, 8, 0, 1, 2, 4, 5, 6]
    ten = Task((np.zeros((10, 1)), np.arange(10)))
    (task,) = streams.split(ten, classes_per_task=10, order=order)
    assert task.name == "classes 7, 3, 9 and 7 more"
    assert [task.name for task in streams.split(ten, classes_per_task=6)] == [
        "classes 0 to 5",
        "classes 6, 7, 8, 9",
    ]


def test_bytes_stay_bytes_in_every_stream():
    x, y = np.arange(192, dtype=np.uint8).reshape(4, 4, 4, 3), np.arange(4)
    data = Task((x, y), test=(x, y))
    split = streams.split(data, order=[2, 1, 0, 3])
    made = (split, streams.permuted(data, tasks=2), streams.rotated(data, tasks=2))
    splits = [rows for stream in made for task in stream for rows in (task.train, task.test)]
    assert {shown(rows)[0].dtype for rows in splits} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(shown(split[0].train)[0], x[1:3])


def test_sequence_keeps_the_datasets_and_their_names(images):
    other = Task(train=rows(5, (6, 6, 1), 4))
    stream = streams.sequence(images, other, streams.permuted(images, tasks=2)[1])
    assert [task.name for task in stream] == ["images", None, "permutation 1"]
    assert shown(stream[0].train)[0] is images.train[0]
    assert stream[1].test is None


def test_streams_are_built_of_lists_and_of_bytes(images):
    x, y = images.train
    lists = Task((x.tolist(), y[:, None].tolist()))
    given, expected = (
        streams.split(lists, classes_per_task=1),
        streams.split(images, classes_per_task=1),
    )
    np.testing.assert_array_equal(shown(given[1].train)[0], shown(expected[1].train)[0])
    bytes_ = Task((np.round(255 * x).astype("uint8"), y))
    turned, same = (streams.rotated(data, tasks=2)[1].train() for data in (bytes_, images))
    assert turned[0].dtype == np.uint8
    np.testing.assert_allclose(turned[0] / 255, same[0], atol=0.01)


def test_streams_are_not_built_of_one_hot_labels_or_datasets():
    with pytest.raises(ValueError, match=r"expected integer labels \[N\], received \(3, 3\)"):
        streams.split(Task((np.zeros((3, 2)), np.eye(3))))
    with pytest.raises(TypeError, match=r"expected a tuple \(x, y\) to derive tasks from"):
        streams.permuted(Task(tf.data.Dataset.range(3)), tasks=2)


def test_a_stream_is_sized_sliceable_and_iterable(images):
    stream = streams.permuted(images, tasks=5)
    assert len(stream) == 5 and len(list(stream)) == 5
    assert isinstance(stream[1:3], TaskStream)
    assert [task.name for task in stream[1:3]] == ["permutation 1", "permutation 2"]
    assert stream[-1].name == "permutation 4"


def test_whatever_a_user_passes_becomes_tasks():
    x, y = rows(5)
    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    stream = as_stream([(x, y), dataset, Task((x, y), name="own"), lambda: (x, y)])
    assert [task.name for task in stream] == [None, None, "own", None]
    assert as_stream(stream) is stream


def test_the_number_of_tasks_must_be_positive(images):
    with pytest.raises(ValueError, match="tasks: expected a finite integer > 0; received 0"):
        streams.permuted(images, tasks=0)
