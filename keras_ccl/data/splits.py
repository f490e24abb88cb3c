"""Splits of a task: checked batches of (x float32, y int32), whatever the user passed."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.dataset_split import DatasetSplit
from keras_ccl.data.validation import DataSpec

Split = ArraySplit | DatasetSplit

MEASURING_BATCH = 1000
"""Rows per batch where nothing is learnt."""


def resolve(data: Any) -> Any:
    """What a split holds when its task is reached: a split given as a function is called."""
    return data() if callable(data) and not isinstance(data, tf.data.Dataset) else data


def as_split(
    data: Any, spec: DataSpec, where: str, *, batch_size: int, steps: int | None = None
) -> Split:
    """A checked split of what a user passed.

    Args:
        data: a tuple (x, y) of arrays, a `tf.data.Dataset`, a function that returns one of these,
            or a split already made.
        spec: what the model expects of rows.
        where: its name in errors.
        batch_size: rows per batch, where a dataset is not batched.
        steps: batches per epoch of a dataset.

    Raises:
        TypeError, ValueError: naming `where`, what was expected and what came.
    """
    data = resolve(data)
    if isinstance(data, ArraySplit | DatasetSplit):
        return data
    if isinstance(data, tf.data.Dataset):
        return DatasetSplit(data, spec, where, steps).verify(batch_size)
    if isinstance(data, tuple | list) and len(data) == 2:
        return ArraySplit(np.asarray(data[0]), np.asarray(data[1]), spec, where)
    raise TypeError(
        f"{where}: expected arrays (x, y) or a tf.data.Dataset of (x, y), received {type(data)}"
    )
