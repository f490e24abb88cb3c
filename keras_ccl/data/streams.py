"""Tasks in sequence, one after the other, and builders of the usual streams."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.data.validation import check_positive


@dataclass(frozen=True)
class Task:
    """One task: the rows to learn from, and the rows to measure on.

    Each split is a tuple `(x, y)` of arrays, a `tf.data.Dataset` of (x, y), or a function without
    arguments that returns one of these when the task is reached.

    Attributes:
        train: the rows to learn.
        validation: held-out rows, for callbacks such as early stopping; or None.
        test: rows that only ever measure, also after later tasks; or None.
        name: what tables and figures call the task.
    """

    train: Any
    validation: Any = None
    test: Any = None
    name: str | None = None


class TaskStream(Sequence):
    """A sized, sliceable, iterable sequence of tasks.

    Args:
        tasks: `Task`s, or whatever a task's train split may be.
    """

    def __init__(self, tasks):
        numbered = enumerate(tasks, start=1)
        self._tasks = tuple(
            _named(_as_task(task, f"task {k}"), f"task {k}") for k, task in numbered
        )

    def __len__(self):
        return len(self._tasks)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return TaskStream(self._tasks[index])
        return self._tasks[index]

    def __repr__(self):
        return f"TaskStream({[task.name for task in self._tasks]})"


def as_stream(tasks):
    """Make a stream of what a user passed.

    Args:
        tasks: a `TaskStream`, or a list or tuple of `Task`s, `(x, y)` tuples of arrays, or
            `tf.data.Dataset`s of (x, y).

    Raises:
        TypeError: for anything else, a single task among it.
        ValueError: for a stream without tasks.
    """
    if isinstance(tasks, TaskStream):
        stream = tasks
    elif isinstance(tasks, list | tuple) and not _is_arrays(tasks):
        stream = TaskStream(tasks)
    else:
        raise TypeError(
            "expected a list of tasks, such as fit_tasks([(x, y)]) or fit_tasks([dataset]); "
            f"received {_describe(tasks)}"
        )
    if not len(stream):
        raise ValueError("expected at least one task, received an empty stream")
    return stream


def permuted(data, *, tasks, seed=0):
    """Each task shows the same rows with the pixels in another fixed order.

    Task 1 is `data` itself; the permutation of each later task is drawn from `seed` and its number,
    and is the same for train, validation and test.

    Args:
        data: anything with `train` and, if it has them, `validation` and `test` tuples (x, y) of
            arrays: a `Task`, or what `datasets.load` returns.
        tasks: how many; seed: integer.
    """
    check_positive("tasks", tasks, integer=True)
    return TaskStream(
        _mapped(data, _Permutation(seed, k), f"permutation {k}" if k else "original")
        for k in range(tasks)
    )


def rotated(data, *, tasks, degrees=180.0):
    """Task k shows the images turned by (k - 1) * degrees / tasks, counter-clockwise.

    Args:
        data: as in `permuted`, x of shape [N, height, width, channels].
        tasks: how many; degrees: the turn that a task after the last would have.
    """
    check_positive("tasks", tasks, integer=True)
    angles = [k * degrees / tasks for k in range(tasks)]
    return TaskStream(_mapped(data, _Rotation(angle), f"{angle:g} degrees") for angle in angles)


def split(data, *, classes_per_task=2, order=None):
    """Each task brings new classes, and the head has room for all: class-incremental learning.

    Args:
        data: as in `permuted`, with integer labels.
        classes_per_task: how many classes a task brings; the last may bring fewer.
        order: the classes in the order in which they come; sorted by default.

    Raises:
        ValueError: if `order` is not a rearrangement of the classes in `data.train`.
    """
    check_positive("classes_per_task", classes_per_task, integer=True)
    found = sorted({int(k) for k in np.unique(data.train[1])})
    order = found if order is None else [int(k) for k in order]
    if sorted(order) != found:
        raise ValueError(f"order: expected a rearrangement of {found}, received {order}")
    groups = [order[i : i + classes_per_task] for i in range(0, len(order), classes_per_task)]
    return TaskStream(
        _mapped(data, _Classes(group), "classes " + ", ".join(map(str, group))) for group in groups
    )


def sequence(*datasets):
    """One dataset after the other, each a task: `sequence(mnist, fashion, permuted(mnist)[1])`."""
    return TaskStream(_mapped(data, None, getattr(data, "name", None)) for data in datasets)


class Transformed:
    """A split that is made of other rows when its task is reached.

    Args:
        transform: a function of x and y; rows: a tuple (x, y) of arrays.
    """

    def __init__(self, transform, rows):
        self.transform, self.rows = transform, rows

    def __call__(self):
        return self.transform(*self.rows)


class _Permutation:
    def __init__(self, seed, number):
        self.seed, self.number = seed, number

    def __call__(self, x, y):
        if self.number == 0:
            return x, y
        flat = x.reshape(len(x), -1)
        order = np.random.default_rng([self.seed, self.number]).permutation(flat.shape[1])
        return flat[:, order].reshape(x.shape), y


class _Rotation:
    def __init__(self, degrees):
        self.degrees = degrees

    def __call__(self, x, y):
        if x.ndim != 4:
            raise ValueError(f"expected images [N, height, width, channels], received {x.shape}")
        if self.degrees == 0:
            return x, y
        turned = [self._turn(x[i : i + 10_000]) for i in range(0, len(x), 10_000)]
        return np.concatenate(turned), y

    def _turn(self, x):
        cos, sin = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        row, column = (x.shape[1] - 1) / 2, (x.shape[2] - 1) / 2
        shift_x = column - cos * column + sin * row  # so that the centre stays where it is
        shift_y = row - sin * column - cos * row
        transform = [cos, -sin, shift_x, sin, cos, shift_y, 0, 0]
        rows = np.tile(np.float32(transform), (len(x), 1))
        return np.clip(keras.ops.image.affine_transform(x, rows, data_format="channels_last"), 0, 1)


class _Classes:
    def __init__(self, classes):
        self.classes = classes

    def __call__(self, x, y):
        chosen = np.isin(y, self.classes)
        return x[chosen], y[chosen]


def _mapped(data, transform, name):
    """A task whose splits are those of `data`, transformed when they are reached."""

    def lazily(rows):
        return rows if rows is None or transform is None else Transformed(transform, rows)

    splits = {key: lazily(getattr(data, key, None)) for key in ("train", "validation", "test")}
    return Task(**splits, name=name)


def _as_task(task, where):
    if isinstance(task, Task):
        return task
    if _is_arrays(task) or isinstance(task, tf.data.Dataset) or callable(task):
        return Task(train=task)
    raise TypeError(
        f"{where}: expected a Task, a tuple (x, y) of arrays or a tf.data.Dataset of (x, y); "
        f"received {_describe(task)}"
    )


def _named(task, name):
    return task if task.name is not None else replace(task, name=name)


def _is_arrays(value):
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(hasattr(part, "shape") and hasattr(part, "dtype") for part in value)
    )


def _describe(value):
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else repr(value)
