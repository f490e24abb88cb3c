"""StreamHistory: what `fit_stream` found and measured."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_ccl.results import anytime
from keras_ccl.results.strict_json import strict_json


class StreamHistory:
    """The boundaries of a stream, and the accuracy while it was learnt.

    Args:
        method: The name of the method.
        options: The options it ran with.
        seed: Its seed.
        tasks_before: The number of tasks that the model had learnt before this stream.

    Attributes:
        boundaries: How many rows of the stream had come at each hand-over; the last is its end.
        reasons: Of each hand-over: `"change"`, `"rows"` or `"end"`.
        noticed: How many rows had come when a hand-over was made: those of the block in which a
            change was found, too.
        unlabelled: How many of the rows of each segment had no label.
        epochs: The logs of each segment, a dict of lists: of each block, then of each epoch of the
            rows held.
        rows: How many rows had come at each measurement, `[M]`.
        accuracy: The accuracy on the test rows of each task then, `[M, T]`; NaN where a model that
            meets classes as they come does not know one yet.
    """

    def __init__(
        self,
        *,
        method: str,
        options: Mapping[str, Any] | None = None,
        seed: int | None = None,
        tasks_before: int = 0,
    ) -> None:
        self.method, self.options, self.seed = method, dict(options or {}), seed
        self.tasks_before = tasks_before
        self.boundaries: list[int] = []
        self.reasons: list[str] = []
        self.noticed: list[int] = []
        self.unlabelled: list[int] = []
        self.epochs: list[dict[str, list[float]]] = []
        self.rows: list[int] = []
        self._accuracy: list[list[float]] = []

    def __len__(self) -> int:
        return len(self.boundaries)

    def handed_over(
        self,
        row: int,
        reason: str,
        *,
        noticed: int,
        unlabelled: int,
        epochs: Mapping[str, Sequence[float]],
    ) -> None:
        """Add a hand-over; the arguments are of the attributes."""
        self.boundaries.append(row)
        self.reasons.append(reason)
        self.noticed.append(noticed)
        self.unlabelled.append(unlabelled)
        self.epochs.append({name: [float(v) for v in values] for name, values in epochs.items()})

    def measured(self, row: int, accuracy: Sequence[float]) -> None:
        """Add the accuracy on each task after so many rows, in place of one after as many."""
        if self.rows and self.rows[-1] == row:
            self.rows.pop()
            self._accuracy.pop()
        self.rows.append(row)
        self._accuracy.append([float(value) for value in accuracy])

    @property
    def accuracy(self) -> np.ndarray:
        return np.array(self._accuracy, float).reshape(len(self.rows), -1)

    def accuracy_over_time(self, begins: Sequence[int] | None = None) -> float:
        """See `anytime.accuracy_over_time`."""
        return anytime.accuracy_over_time(self.rows, self.accuracy, begins)

    def worst_accuracy(self, ends: Sequence[int]) -> float:
        """See `anytime.worst_accuracy`."""
        return anytime.worst_accuracy(self.rows, self.accuracy, ends)

    def worst_forgetting(self) -> float:
        """See `anytime.worst_forgetting`."""
        return anytime.worst_forgetting(self.accuracy)

    def table(self) -> str:
        """The hand-overs, and the accuracy at each measurement, as text."""
        lines = ["rows      handed over because of"]
        first = 0
        for row, reason in zip(self.boundaries, self.reasons, strict=True):
            lines.append(f"{first + 1} to {row}  {reason}")
            first = row
        if len(self.rows):
            lines.append("rows      accuracy on each task")
        for row, accuracy in zip(self.rows, self.accuracy, strict=True):
            lines.append(f"{row:<8}  " + "  ".join(f"{value:.4f}" for value in accuracy))
        return "\n".join(lines)

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """Return the history as strict JSON, with null for NaN.

        Args:
            path: A file to write it to as well. An interrupted write leaves the earlier file.

        Returns:
            The JSON text.
        """
        of_run = ("method", "options", "seed", "tasks_before")
        of_segments = ("boundaries", "reasons", "noticed", "unlabelled", "epochs")
        names = (*of_run, *of_segments, "rows", "accuracy")
        content = {name: getattr(self, name) for name in names}
        return strict_json(content, path)
