"""Splits of a task: checked batches of (x float32, y int32), whatever the user passed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.dataset_split import DatasetSplit
from keras_ccl.data.labels import check_one_kind
from keras_ccl.data.sources import FORMS, is_tuple_of_rows, opened
from keras_ccl.data.validation import DataSpec

Split = ArraySplit | DatasetSplit

MEASURING_BATCH = 1000
"""Rows per batch where nothing is learnt."""

MEASURING_SEED = (0, 1)
"""Measures draw noise from this stateless seed: they repeat, and leave training as it was."""


def as_split(
    data: Any,
    spec: DataSpec,
    where: str,
    *,
    batch_size: int,
    steps: int | None = None,
    learns: bool = False,
) -> Split:
    """A checked split of what a user passed.

    Args:
        data: rows in one of `FORMS`, or a split already made.
        spec: what the model expects of rows.
        where: its name in errors.
        batch_size: rows per batch, where a dataset is not batched.
        steps: batches per epoch of a dataset.
        learns: whether labels may be names that are new, where the model takes such.

    Raises:
        TypeError, ValueError: naming `where`, what was expected and what came.
    """
    data = opened(data, spec, where)
    if isinstance(data, ArraySplit | DatasetSplit):
        return data.labelled(spec)
    if isinstance(data, tf.data.Dataset):
        return DatasetSplit(data, spec, where, steps).verify(batch_size, learns=learns)
    if is_tuple_of_rows(data):
        x, y, *weight = (_as_array(part, where, k == 1) for k, part in enumerate(data))
        if learns:
            spec = spec.extended(y, where)
        return ArraySplit(x, y, spec, where, *weight)
    if isinstance(data, Iterator):
        raise TypeError(
            f"{where}: expected rows that can be read once per epoch, received a generator, which "
            "can be read only once; pass the function that returns it, without calling it"
        )
    raise TypeError(f"{where}: expected {FORMS}; received {type(data)}")


def _as_array(part: Any, where: str, labels: bool) -> np.ndarray:
    if labels:
        check_one_kind(part, where)
    try:
        return np.asarray(part)
    except ValueError as error:  # lists of unequal length
        raise ValueError(f"{where}: expected rows of one shape: {error}") from error


def measured_batches(split: Split) -> Iterator[tuple[tf.Tensor, ...]]:
    """Each row once, for what is no epoch: batches of (x, y) or (x, y, weight).

    Args:
        split: of a task.
    """
    with split.measured():
        yield from split.batches(MEASURING_BATCH)
