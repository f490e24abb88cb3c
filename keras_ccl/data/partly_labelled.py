"""partly_labelled: a stream of whose train rows only some have a label."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.data.sources import is_tuple_of_rows
from keras_ccl.data.tasks import Task, TaskStream
from keras_ccl.data.transformations import HiddenLabels, Transformed
from keras_ccl.data.validation import check_positive, check_share


def partly_labelled(
    stream: TaskStream,
    *,
    fraction: float | None = None,
    per_class: int | None = None,
    seed: int = 0,
) -> TaskStream:
    """Build a stream that hides the labels of most train rows; all else stays as it is.

    In each task the same share, or number, of the rows of each class keeps its label, at least one
    row. Which rows these are follows from `seed` and the number of the task. Labels that are hidden
    are -1 where labels are integers, None where they are strings, and rows of 0 where they are
    one-hot: `fit_tasks` learns from the images of such rows.

    For example, with a label on each tenth image:

        mnist = ccl.datasets.load("mnist")
        stream = ccl.streams.partly_labelled(ccl.streams.split(mnist), fraction=0.1)

    Args:
        stream: Tasks whose train rows are arrays, or functions that return arrays.
        fraction: The share of the rows that keep their label, in [0, 1]; 0 hides all of them.
        per_class: The number of rows of each class that keep it, in place of a share.
        seed: The seed of the choice.

    Returns:
        The stream.

    Raises:
        ValueError: Unless there is exactly one of `fraction` and `per_class`, in their range.
        TypeError: If train rows are anything else.
    """
    if (fraction is None) == (per_class is None):
        raise ValueError(
            "partly_labelled: expected one of fraction and per_class, received "
            f"fraction={fraction!r} and per_class={per_class!r}"
        )
    if fraction is not None:
        check_share("fraction", fraction, or_one=True)
    else:
        check_positive("per_class", per_class, integer=True)
    check_positive("seed", seed, integer=True, or_zero=True)
    return TaskStream(
        Task(
            _hidden(task.train, HiddenLabels(fraction, per_class, seed, k), f"task {k}, train"),
            task.validation,
            task.test,
            task.name,
        )
        for k, task in enumerate(stream, start=1)
    )


def _hidden(train: Any, hide: HiddenLabels, where: str) -> Any:
    """Train rows whose labels are hidden when they are read."""
    if isinstance(train, Transformed):
        return train.then(hide)
    if callable(train) and not isinstance(train, tf.data.Dataset):
        return _of_function(train, hide, where)
    return _of_arrays(train, hide, where)


def _of_function(read: Callable[[], Any], hide: HiddenLabels, where: str) -> Callable[[], Any]:
    return lambda: _of_arrays(read(), hide, where)


def _of_arrays(rows: Any, hide: HiddenLabels, where: str) -> tuple[Any, ...]:
    if not is_tuple_of_rows(rows):
        raise TypeError(
            f"partly_labelled, {where}: expected a tuple (x, y) or (x, y, sample_weight) of "
            f"arrays, or a function that returns one, received {type(rows).__name__}"
        )
    x, y, *weight = rows
    return (*hide(x, np.asarray(y)), *weight)
