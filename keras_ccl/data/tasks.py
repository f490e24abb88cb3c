"""Task and TaskStream: what is learnt, in which order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, overload

from keras_ccl.data.sources import FORMS, is_source


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
