"""Segment: rows of a stream that no change lies between, so many at most."""

from __future__ import annotations

import numpy as np

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.labels import LabelBook
from keras_ccl.data.ready_tasks import ReadyTask


class Segment:
    """Rows that are learnt as one task: where there are too many, the latest and some before them.

    Half of the rows held are the latest, the others drawn of all that came earlier, each as likely
    as any other.

    Args:
        number: of the task.
        first_row: the number of rows of the stream before it.
        most_rows: how many are held.

    Attributes:
        seen: how many rows came, held or not.
        unlabelled: how many of them had no label.
    """

    def __init__(self, number: int, first_row: int, most_rows: int) -> None:
        self.number, self.first_row, self._most_rows = number, first_row, most_rows
        self.seen = self.unlabelled = 0
        self._parts: tuple[np.ndarray, ...] = ()
        self._random = np.random.default_rng([number, first_row])

    def add(self, rows: ArraySplit, labels: LabelBook | None) -> None:
        """Add rows.

        Args:
            rows: of which indices of classes are those of all rows before.
            labels: the names of all classes so far; None where they are numbers.
        """
        weight = np.ones(rows.rows, np.float32) if rows.weight is None else rows.weight
        lots = self._random.random(rows.rows)  # the highest stay
        parts: tuple[np.ndarray, ...] = (rows.x, rows.y, weight, lots)
        if self._parts:
            parts = tuple(map(np.concatenate, zip(self._parts, parts, strict=True)))
        kept = self._kept(parts[-1])
        self._parts = parts if kept is None else tuple(part[kept] for part in parts)
        self._spec, self._labels = rows.spec.of_indices, labels
        self._repeats_labels = rows.repeats_labels
        self.seen += rows.rows
        self.unlabelled += rows.unlabelled

    def _kept(self, lots: np.ndarray) -> np.ndarray | None:
        """Which rows are held, in their order; None for all."""
        if len(lots) <= self._most_rows:
            return None
        earlier = len(lots) - (self._most_rows + 1) // 2
        drawn = np.argsort(-lots[:earlier], kind="stable")[: self._most_rows // 2]
        return np.concatenate([np.sort(drawn), np.arange(earlier, len(lots))])

    @property
    def rows(self) -> int:
        """How many are held."""
        return len(self._parts[0]) if self._parts else 0

    @property
    def name(self) -> str:
        """What histories call it."""
        return f"rows {self.first_row + 1} to {self.first_row + self.seen}"

    def task(self, *, continues: bool, complete: bool) -> ReadyTask:
        """The rows held, as a task; the arguments are its attributes."""
        x, y, weight, _ = self._parts
        spec = self._spec
        if self._labels is not None:
            spec = spec._replace(num_classes=self._labels.num_classes)
        train = ArraySplit(x, y, spec, self.name, None if (weight == 1).all() else weight)
        train.repeats_labels = self._repeats_labels
        return ReadyTask(
            self.number, self.name, train.held(), None, self._labels, continues, complete
        )
