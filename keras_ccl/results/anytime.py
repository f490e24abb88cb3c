"""Metrics of a model that is asked at any time, while it learns a stream.

The accuracy is `[M, T]`: on each of T tasks at each of M times; `rows` `[M]` tells how many rows of
the stream had come by then. NaN marks a task that could not be measured yet.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def accuracy_over_time(
    rows: Sequence[int], accuracy: ArrayLike, begins: Sequence[int] | None = None
) -> float:
    """Compute the area under the curve of accuracy against rows, A_AUC (Koh et al. 2022).

    At each time it is the mean over the tasks that have begun; it stands for the rows since the
    time before.

    Args:
        rows: How many rows had come, `[M]`, ascending.
        accuracy: `[M, T]`.
        begins: How many rows had come when each task began, `[T]`; None: 0, or where it could be
            measured first.

    Returns:
        The mean over the rows, in [0, 1]; NaN where nothing was measured.

    Raises:
        ValueError: For shapes that do not fit.
    """
    matrix, times = _checked(rows, accuracy)
    starts = np.zeros(matrix.shape[1]) if begins is None else np.asarray(begins)
    _check_length("begins", starts, matrix)
    begun = (times[:, None] > starts) & np.isfinite(matrix)
    counted = begun.any(1)
    if not counted.any():
        return float("nan")
    means = np.where(begun, matrix, 0.0).sum(1)[counted] / begun.sum(1)[counted]
    widths = np.diff(times, prepend=0)[counted]
    return float((means * widths).sum() / widths.sum())


def worst_accuracy(rows: Sequence[int], accuracy: ArrayLike, ends: Sequence[int]) -> float:
    """Compute the mean of the lowest accuracy on each task since it ended (De Lange et al. 2023).

    This is min-ACC; a task that did not end before the last measurement is left out.

    Args:
        rows: How many rows had come, `[M]`, ascending.
        accuracy: `[M, T]`.
        ends: How many rows had come when each task ended, `[T]`.

    Returns:
        The mean, in [0, 1]; NaN where no task has ended.

    Raises:
        ValueError: For shapes that do not fit.
    """
    matrix, times = _checked(rows, accuracy)
    _check_length("ends", ends, matrix)
    lowest = [matrix[times > end, k].min() for k, end in enumerate(ends) if (times > end).any()]
    return float(np.mean(lowest)) if lowest else float("nan")


def worst_forgetting(accuracy: ArrayLike) -> float:
    """Compute the mean over the tasks of the largest fall from the best accuracy so far.

    Args:
        accuracy: `[M, T]`.

    Returns:
        The mean, in [0, 1]; NaN where nothing was measured.
    """
    matrix = np.asarray(accuracy, float)
    falls = []
    for column in matrix.T:
        known = column[np.isfinite(column)]
        if len(known):
            falls.append((np.maximum.accumulate(known) - known).max())
    return float(np.mean(falls)) if falls else float("nan")


def _checked(rows: Sequence[int], accuracy: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    matrix, times = np.asarray(accuracy, float), np.asarray(rows)
    if matrix.ndim != 2 or times.shape != matrix.shape[:1] or (np.diff(times) <= 0).any():
        raise ValueError(
            "expected ascending rows [M] and accuracies [M, T], received "
            f"{times.shape} and {matrix.shape}"
        )
    return matrix, times


def _check_length(name: str, values: ArrayLike, matrix: np.ndarray) -> None:
    if np.shape(values) != matrix.shape[1:]:
        raise ValueError(
            f"{name}: expected one number for each of {matrix.shape[1]} tasks, received "
            f"{np.shape(values)}"
        )
