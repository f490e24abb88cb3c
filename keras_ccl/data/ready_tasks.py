"""From a task as a user wrote it to one that is ready: splits checked, validation rows held out."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.dataset_split import DatasetSplit
from keras_ccl.data.fingerprints import Fingerprints
from keras_ccl.data.labels import LabelBook, Name
from keras_ccl.data.missing_labels import check_some_label
from keras_ccl.data.passes_made import has_no_seed
from keras_ccl.data.splits import MEASURING_BATCH, Split, as_split
from keras_ccl.data.tasks import Task, TaskStream
from keras_ccl.data.transformations import Transformed
from keras_ccl.data.validation import DataSpec, check_rows

KEPT_TEST_BYTES = 2**30
"""Test rows that are made when they are reached stay in memory up to this size, over all tasks."""


@dataclass(frozen=True)
class ReadyTask:
    """A task whose rows can be read.

    Attributes:
        number: counted from 1 over the life of the model.
        name: what tables and figures call the task.
        train: the rows to learn.
        validation: held-out rows, or None.
        labels: the names of all classes once the task is learnt; None where they are numbers.
        continues: whether some of its rows were learnt already, as they came.
        complete: whether no more rows of it will come.
    """

    number: int
    name: str
    train: Split
    validation: Split | None = None
    labels: LabelBook | None = None
    continues: bool = False
    complete: bool = True


class CheckedTask:
    """A task of the user whose splits were checked as far as they can be before they are reached.

    Args:
        task: what the user wrote.
        number: of the task, for errors.
        spec: what the model expects of rows.
        batch_size: rows per batch.
        steps_per_epoch: of the train split, or None.
        validation_split: the share of arrays to hold out where there are no validation rows.
        kept_test_bytes: a test split made when it is reached is kept up to this size.
        follows_unread: whether an earlier task may bring classes that are not known yet.

    Attributes:
        spec: what the model expects of rows once the task is learnt, as far as that is known.
        is_unread: whether the classes of this task, or of an earlier one, are not known yet.

    Raises:
        TypeError, ValueError: naming the task, what was expected and what came.
    """

    def __init__(
        self,
        task: Task,
        number: int,
        spec: DataSpec,
        *,
        batch_size: int = MEASURING_BATCH,
        steps_per_epoch: int | None = None,
        validation_split: float = 0.0,
        kept_test_bytes: float = 0.0,
        follows_unread: bool = False,
    ) -> None:
        self.number, self.name = number, task.name or f"task {number}"
        self.spec, self._batch_size = spec, batch_size
        self._steps_per_epoch, self._validation_split = steps_per_epoch, validation_split
        self._kept_test_bytes = kept_test_bytes
        self._train = self._checked(task.train, "train", steps_per_epoch, learns=True)
        self._brings: list[Name] = []  # the names of the classes of the task, once known
        if isinstance(self._train, ArraySplit | DatasetSplit):
            self.spec, self._brings = self._train.spec, self._train.names
        self.is_unread = follows_unread or callable(self._train)
        self._validation = self._checked(task.validation, "validation", learns=self.is_unread)
        self._test = self._checked(task.test, "test", learns=self.is_unread)
        if isinstance(self._train, ArraySplit | DatasetSplit):  # too few rows are told now
            self._train, self._validation = self._held_out(self._train, self._validation)

    def ready(self, spec: DataSpec | None = None) -> ReadyTask:
        """The task, its splits made by the functions that were given for them.

        Args:
            spec: what the model expects of rows now; None: as when the task was checked. Further
                names of classes are those of the train rows.
        """
        spec = (self.spec if spec is None else spec).with_names(self._brings)
        train = self._reached(self._train, "train", spec, self._steps_per_epoch, learns=True)
        spec = spec.with_names(train.names)
        validation = self._reached(self._validation, "validation", spec)
        if not callable(self._test):
            self._reached(self._test, "test", spec)
        train, validation = self._held_out(train, validation)
        held = validation and validation.held()
        return ReadyTask(self.number, self.name, train.held(), held, spec.labels)

    def known_steps(self, batch_size: Callable[[int], int]) -> int | None:
        """The steps of an epoch; None where they are not known yet, or the rows end with it.

        Args:
            batch_size: a function of the number of rows.
        """
        if self._steps_per_epoch is None and isinstance(self._train, ArraySplit):
            return self._train.steps(batch_size(self._train.rows))
        return self._steps_per_epoch

    def fingerprint(self, fingerprints: Fingerprints) -> dict[str, Any]:
        """What a run must have in common to go on with this task, a dict for JSON."""
        splits = {"train": self._train, "validation": self._validation, "test": self._test}
        return {kind: fingerprints.of(split) for kind, split in splits.items()}

    def passes(self) -> list[int | None]:
        """The passes made over each dataset of the task, None for any other split."""
        splits = (self._train, self._validation, self._test)
        return [s.passes if isinstance(s, DatasetSplit) else None for s in splits]

    def make_up_to(self, passes: list[int | None]) -> None:
        """Make the passes that an earlier process made: see `DatasetSplit.make_up_to`."""
        for split, number in zip((self._train, self._validation, self._test), passes, strict=True):
            if isinstance(split, DatasetSplit) and number is not None:
                split.make_up_to(number)

    def warn_without_seed(self) -> None:
        """Warn of rows in an order that no other process can repeat."""
        for split in (self._train, self._validation):
            if isinstance(split, DatasetSplit) and has_no_seed(split.dataset):
                warnings.warn(
                    f"{split.where}: the dataset draws from no seed, so a run that is stopped and "
                    "goes on learns from rows in another order than one that is not; give "
                    "shuffle, or random operations, a seed",
                    stacklevel=2,
                )

    def test_split(self, spec: DataSpec | None = None) -> Split | None:
        """The rows that only ever measure, or None; `spec` as in `ready`."""
        split = self._reached(self._test, "test", self.spec if spec is None else spec)
        if isinstance(split, ArraySplit) and split.x.nbytes <= self._kept_test_bytes:
            self._test = split
        return split

    def _checked(
        self, data: Any, kind: str, steps: int | None = None, *, learns: bool = False
    ) -> Any:
        """A split, or the function that will return it when the task is reached."""
        if isinstance(data, Transformed):
            x, y = data.rows  # what it is made of
            where = self._where(kind)
            check_rows(x, y, self.spec.extended(y, where) if learns else self.spec, where)
        if data is None or callable(data):
            return data
        return self._reached(data, kind, self.spec, steps, learns=learns)

    def _reached(
        self,
        data: Any,
        kind: str,
        spec: DataSpec,
        steps: int | None = None,
        *,
        learns: bool = False,
    ) -> Any:
        if data is None:
            return None
        where, batch_size = self._where(kind), self._batch_size
        return as_split(data, spec, where, batch_size=batch_size, steps=steps, learns=learns)

    def _held_out(self, train: Split, validation: Split | None) -> tuple[Split, Split | None]:
        if validation is None and self._validation_split:
            train, validation = train.hold_out(self._validation_split)
        check_some_label(train, self.number)
        return train, validation

    def _where(self, kind: str) -> str:
        return f"task {self.number}, {kind}"


def earlier_tasks(tasks: Sequence[Task | None], spec: DataSpec, *, seen: int) -> list[CheckedTask]:
    """Check the tasks that were learnt before, given again for their test rows.

    Args:
        tasks: one for each of them, or None where there are no rows; or nothing at all.
        spec: what the model expects of rows.
        seen: how many tasks the model has learnt.

    Raises:
        TypeError, ValueError: naming the task, what was expected and what came.
    """
    if len(tasks) not in (0, seen):
        raise ValueError(
            f"earlier: expected one task (or None) for each of the {seen} that the model has "
            f"learnt, received {len(tasks)}"
        )
    checked = []
    for number, task in enumerate(tasks, start=1):
        if not isinstance(task, Task | None):
            raise TypeError(
                f"earlier, task {number}: expected Task(train, test=...) or None; only its test "
                f"rows are read; received {type(task).__name__}"
            )
        test = task and task.test
        checked.append(CheckedTask(Task(None, test=test), number, spec))
    return checked


def checked_tasks(
    stream: TaskStream, spec: DataSpec, *, first_number: int = 1, **options: Any
) -> list[CheckedTask]:
    """Check every task of a stream before any is learnt.

    Args:
        stream: what the user passed.
        spec: what the model expects of rows.
        first_number: of the first task, for errors.
        **options: of `CheckedTask`.
    """
    kept, found = KEPT_TEST_BYTES / len(stream), list[CheckedTask]()
    for number, task in enumerate(stream, first_number):
        before = found[-1] if found else None
        found.append(
            CheckedTask(
                task,
                number,
                before.spec if before else spec,
                kept_test_bytes=kept,
                follows_unread=before is not None and before.is_unread,
                **options,
            )
        )
    return found


def fingerprints_of(tasks: Sequence[CheckedTask]) -> dict[str, Any]:
    """The fingerprint of each task, by its number, a dict for JSON."""
    fingerprints = Fingerprints()
    return {f"task {task.number}": task.fingerprint(fingerprints) for task in tasks}
