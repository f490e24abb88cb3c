"""Streams of rows without boundaries, made of tasks that are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ccl.data.sources import is_tuple_of_rows, resolve
from keras_ccl.data.validation import check_choice, check_share


@dataclass(frozen=True)
class RowStream:
    """Rows in the order in which they come, for `fit_stream`, and what only a measure may know.

    Attributes:
        rows: A tuple (x, y) of arrays.
        tasks: The tasks that it was made of, whose test rows measure.
        begins: How many rows come before the place of each task, `[T]`.
        ends: How many rows have come at its end, `[T]`.
    """

    rows: tuple[np.ndarray, np.ndarray]
    tasks: tuple[Any, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]


def blurred(
    stream: Sequence[Any], *, mixing: float = 0.0, schedule: str = "gaussian", seed: int = 0
) -> RowStream:
    """Put the train rows of tasks one after another, shuffled within each, with blurred boundaries.

    Args:
        stream: Tasks whose train rows are arrays, or functions that return them.
        mixing: The share of rows that leave the place of their task, about. 0: boundaries are
            clear.
        schedule: `"gaussian"`: they go over the boundaries beside it, so that one task fades into
            the next, as in the Gaussian schedules of Shanahan et al. (2021); `"blurry"`: to the
            place of any other task, so that its classes come up all the time, as the blurry classes
            of i-Blurry (Koh et al. 2022).
        seed: The seed of the order.

    Returns:
        The rows, with the tasks and their places.

    Raises:
        TypeError: If train rows are no arrays.
        ValueError: If `mixing` is not in [0, 1), or there is another schedule.
    """
    check_share("mixing", mixing)
    check_choice("schedule", schedule, tuple(SCHEDULES))
    parts = [_arrays(task, number) for number, task in enumerate(stream, start=1)]
    sizes = np.array([len(y) for _, y in parts])
    random = np.random.default_rng(seed)
    place = np.repeat(np.arange(len(parts)), sizes)
    time = place + random.random(len(place))
    if len(parts) > 1:
        time = SCHEDULES[schedule](time, place, mixing, random)
    order = np.argsort(time, kind="stable")
    x, y = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
    ends = np.cumsum(sizes)
    begins = (int(end - size) for end, size in zip(ends, sizes, strict=True))
    return RowStream((x, y), tuple(stream), tuple(begins), tuple(map(int, ends)))


def _gaussian(
    time: np.ndarray, place: np.ndarray, mixing: float, random: np.random.Generator
) -> np.ndarray:
    """Times, a task taking 1, to which noise is added.

    Of rows spread evenly over a task 0.4 standard deviations go over each boundary.
    """
    tasks = place.max() + 1
    deviation = mixing * np.sqrt(np.pi / 2) * tasks / (tasks - 1)
    return time + random.normal(size=len(time)) * deviation


def _blurry(
    time: np.ndarray, place: np.ndarray, mixing: float, random: np.random.Generator
) -> np.ndarray:
    """Times of which a share are in the place of another task."""
    tasks = place.max() + 1
    moves = random.random(len(time)) < mixing
    away = random.integers(1, tasks, len(time))
    return np.where(moves, (place + away) % tasks + time % 1, time)


SCHEDULES: dict[str, Callable] = {"gaussian": _gaussian, "blurry": _blurry}


def _arrays(task: Any, number: int) -> tuple[np.ndarray, np.ndarray]:
    rows = resolve(getattr(task, "train", task))
    if not (is_tuple_of_rows(rows) and len(rows) == 2):
        raise TypeError(
            f"blurred, task {number}: expected train rows (x, y) of arrays, received {type(rows)}"
        )
    return np.asarray(rows[0]), np.asarray(rows[1])
