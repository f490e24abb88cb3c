"""Streams of tasks, and builders of the usual ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np

from keras_ccl.data import class_groups
from keras_ccl.data.blurred import RowStream, blurred
from keras_ccl.data.labels import Name
from keras_ccl.data.sources import FORMS, is_source
from keras_ccl.data.transformations import (
    Arrays,
    ClassSelection,
    Permutation,
    Rotation,
    Transformed,
)
from keras_ccl.data.validation import check_positive

__all__ = [
    "HasTrain",
    "RowStream",
    "Task",
    "TaskStream",
    "blurred",
    "permuted",
    "rotated",
    "sequence",
    "split",
]


@dataclass(frozen=True)
class Task:
    """One task: data to learn from, and data to measure on.

    Each split is a tuple `(x, y)` or `(x, y, sample_weight)` of arrays, lists or data frames, a
    `tf.data.Dataset` or `keras.utils.PyDataset` of such rows or batches, or a function that returns
    one of these, or a generator, when the task is reached: `stream[0].train()` of a built stream.

    Attributes:
        train: The data to learn from.
        validation: Held-out data for callbacks such as early stopping, or None.
        test: Data used only to measure the model, also after later tasks, or None.
        name: The name of the task in tables and figures; None: its number in the life of the model.
    """

    train: Any
    validation: Any = None
    test: Any = None
    name: str | None = None


class HasTrain(Protocol):
    """Data that the builders of streams accept: a `Task`, or what `datasets.load` returns.

    Attributes:
        train: A tuple (x, y) of arrays. `validation` and `test` tuples are used where there are
            any, and so is a `name`.
    """

    @property
    def train(self) -> Any: ...


class TaskStream(Sequence[Task]):
    """A sequence of tasks, which can be indexed, sliced and iterated over.

    Args:
        tasks: `Task`s, or anything that the train split of a task may be.

    Raises:
        TypeError: If one of them is anything else.
    """

    def __init__(self, tasks: Iterable[Any]) -> None:
        numbered = enumerate(tasks, start=1)
        self._tasks = tuple(_as_task(task, f"task {k}") for k, task in numbered)

    def __len__(self) -> int:
        return len(self._tasks)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> "TaskStream": ...
    def __getitem__(self, index: int | slice) -> "Task | TaskStream":
        if isinstance(index, slice):
            return TaskStream(self._tasks[index])
        return self._tasks[index]

    def __repr__(self) -> str:
        return f"TaskStream({[task.name for task in self._tasks]})"


def as_stream(tasks: Any) -> TaskStream:
    """Make a stream of the tasks that a user passes.

    Args:
        tasks: A `TaskStream`, or a list or tuple of `Task`s, or of what a split may be.

    Returns:
        The stream.

    Raises:
        TypeError: If `tasks` is anything else, such as a single task.
        ValueError: If there are no tasks.
    """
    if isinstance(tasks, TaskStream):
        stream = tasks
    elif isinstance(tasks, list | tuple) and (not tasks or any(map(_is_task, tasks))):
        stream = TaskStream(tasks)
    else:
        raise TypeError(
            "expected a list of tasks, such as fit_tasks([(x, y)]) or fit_tasks([dataset]); "
            f"received {_type_and_length(tasks)}"
        )
    if not len(stream):
        raise ValueError("expected at least one task, received an empty stream")
    return stream


def permuted(data: HasTrain, *, tasks: int, seed: int = 0) -> TaskStream:
    """Build a stream in which every task permutes the pixels of the same images differently.

    The first task is `data` itself. The permutation of each later task is drawn from `seed` and the
    number of the task, and is the same for train, validation and test images.

    Args:
        data: A `Task` whose splits are tuples (x, y) of arrays, or what `datasets.load` returns.
        tasks: The number of tasks.
        seed: The seed of the permutations.

    Returns:
        The stream.

    Raises:
        ValueError: If `tasks` is not a positive integer.
    """
    check_positive("tasks", tasks, integer=True)
    return TaskStream(
        _transformed_task(data, Permutation(seed, k), f"permutation {k}" if k else "original")
        for k in range(tasks)
    )


def rotated(data: HasTrain, *, tasks: int, degrees: float = 180.0) -> TaskStream:
    """Build a stream in which every task rotates the same images by a different angle.

    Task k rotates them by (k - 1) * degrees / tasks, counter-clockwise.

    Args:
        data: As in `permuted`, with inputs of shape `[N, height, width, channels]`.
        tasks: The number of tasks.
        degrees: The angle that one more task after the last would have.

    Returns:
        The stream.

    Raises:
        ValueError: If `tasks` is not a positive integer.
    """
    check_positive("tasks", tasks, integer=True)
    angles = [k * degrees / tasks for k in range(tasks)]
    return TaskStream(
        _transformed_task(data, Rotation(angle), f"{angle:g} degrees") for angle in angles
    )


def split(
    data: HasTrain,
    *,
    classes_per_task: int = 2,
    order: Sequence[Name] | None = None,
    seed: int | None = None,
) -> TaskStream:
    """Build a stream in which every task brings new classes: class-incremental learning.

    The labels are unchanged: the classifier has outputs for all classes from the start, and is not
    told which task an image belongs to.

    Args:
        data: As in `permuted`, with labels that are integers or names, `[N]` or `[N, 1]`.
        classes_per_task: The number of classes per task; the last task may have fewer.
        order: The order in which the classes come; sorted by default.
        seed: The seed of a random order, in place of `order`.

    Returns:
        The stream. A task of up to five classes is named after all of them, such as
        `"classes 3, 7"`; one of more after the first three, or `"classes 0 to 9"`.

    Raises:
        ValueError: If `classes_per_task` is not a positive integer, labels are one-hot, `order` is
            not a rearrangement of the classes in `data.train`, or there are both an order and a
            seed.
    """
    groups = class_groups.of_labels(data.train[1], classes_per_task, order, seed)
    return TaskStream(
        _transformed_task(data, ClassSelection(group), class_groups.name_of(group))
        for group in groups
    )


def sequence(*datasets: HasTrain) -> TaskStream:
    """Build a stream in which every task is another dataset.

    For example `sequence(mnist, fashion_mnist, permuted(mnist, tasks=2)[1])`.

    Args:
        *datasets: As in `permuted`, each the data of one task.

    Returns:
        The stream.
    """
    return TaskStream(
        _transformed_task(data, None, getattr(data, "name", None)) for data in datasets
    )


def _transformed_task(
    data: HasTrain,
    transform: Callable[[np.ndarray, np.ndarray], Arrays] | None,
    name: str | None,
) -> Task:
    """Make a task of the splits of `data`, which are transformed when the task is reached."""

    def lazily(rows: Any) -> Any:
        return rows if rows is None or transform is None else Transformed(transform, rows)

    splits = {key: lazily(getattr(data, key, None)) for key in ("train", "validation", "test")}
    return Task(**splits, name=name)


def _as_task(task: Any, where: str) -> Task:
    if isinstance(task, Task):
        return task
    if is_source(task):
        return Task(train=task)
    raise TypeError(f"{where}: expected a Task, {FORMS}; received {_type_and_length(task)}")


def _is_task(value: Any) -> bool:
    return isinstance(value, Task) or is_source(value)


def _type_and_length(value: Any) -> str:
    """Describe a value of the wrong type in an error."""
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else repr(value)
