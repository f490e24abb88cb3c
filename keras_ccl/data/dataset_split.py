"""DatasetSplit: a `tf.data.Dataset` of the user's as checked batches, in its own order."""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np
import tensorflow as tf

from keras_ccl.data.byte_inputs import as_floats, check_not_black_and_white, is_bytes
from keras_ccl.data.pipelines import shard_by_rows
from keras_ccl.data.validation import (
    DataSpec,
    check_rows,
    check_shape,
    check_weight,
)


class DatasetSplit:
    """A `tf.data.Dataset` of (x, y) or (x, y, weight), batched or not; `verify` reads it once.

    Args:
        dataset: the dataset.
        spec: what the model expects of rows.
        where: its name in errors.
        steps: batches per epoch, needed if the dataset is infinite.

    Attributes:
        scaled: whether x is bytes and is divided by 255.
        classes: those among the labels that `verify` read.
    """

    def __init__(
        self, dataset: tf.data.Dataset, spec: DataSpec, where: str, steps: int | None = None
    ) -> None:
        self.dataset, self.spec, self.where, self.limit = dataset, spec, where, steps
        self.batched = self._is_batched()
        self.scaled = is_bytes(dataset.element_spec[0].dtype, spec.unit_range)
        self.counted = self.rows = 0
        self.classes: set[int] = set()
        if steps is None and dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                f"{where}: an infinite dataset needs steps_per_epoch (validation and test data "
                "must be finite), received steps_per_epoch=None"
            )

    def verify(self, batch_size: int) -> DatasetSplit:
        """Read the rows of one epoch once and refuse what `check_rows` refuses, or no rows."""
        self.counted = self.rows = 0
        brightest = 0
        try:
            for x, y, *weight in self._rows(batch_size).as_numpy_iterator():
                _, labels = check_rows(x, y, self.spec, self.where)
                self.classes |= set(np.unique(labels).tolist())
                if weight:
                    check_weight(weight[0], len(x), self.where)
                if self.scaled:
                    brightest = max(brightest, x.max())
                self.rows, self.counted = self.rows + len(x), self.counted + 1
        except tf.errors.OpError as error:
            raise ValueError(
                f"{self.where}: expected a dataset that can be read, which failed after "
                f"{self.rows} rows: {message_of(error)}"
            ) from error
        if not self.rows:
            raise ValueError(f"{self.where}: expected at least one row, received an empty dataset")
        if self.scaled:
            check_not_black_and_white(brightest, self.where)
        return self

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """One epoch in the dataset's own order, its length known if it was verified."""
        rows = self._rows(batch_size).map(self._standard)
        if self.counted:
            rows = rows.apply(tf.data.experimental.assert_cardinality(self.steps(batch_size)))
        return shard_by_rows(rows.prefetch(tf.data.AUTOTUNE))

    def some_rows(self, most: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `most` rows, evenly spread over the dataset: arrays x and y."""
        every = max(1, self.rows // most)
        picked = self.dataset.unbatch() if self.batched else self.dataset
        picked = picked.take(self.rows).shard(every, seed % every).take(most).batch(1000)
        x, y, *_ = zip(*picked.map(self._standard).as_numpy_iterator(), strict=True)
        return np.concatenate(x), np.concatenate(y)

    def steps(self, batch_size: int) -> int:
        """Batches per epoch, as `verify` counted them."""
        return self.counted if self.batched else math.ceil(self.rows / batch_size)

    def training(
        self,
        batch_size: int,
        *,
        seed: tf.Tensor,
        steps_per_epoch: int | None = None,
        first_epoch: int = 0,
    ) -> tuple[tf.data.Dataset, int | None]:
        """The rows in the dataset's own order.

        Args:
            batch_size: rows per batch, where the dataset is not batched.
            seed: not needed: shuffling is left to the maker of the dataset.
            steps_per_epoch: None for one pass per epoch.
            first_epoch: the epoch to begin with, from 0.

        Returns:
            A dataset of (x, y) or (x, y, weight), and the steps of an epoch, None where the
            dataset ends with it.
        """
        rows = self._all_rows(batch_size).repeat()
        if steps_per_epoch is not None:
            rows, steps = rows.skip(first_epoch * steps_per_epoch), steps_per_epoch
        elif self.dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY:
            steps = self.steps(batch_size)  # else Keras warns at the end of each pass
        else:
            return self.batches(batch_size), None
        return shard_by_rows(rows.map(self._standard).prefetch(tf.data.AUTOTUNE)), steps

    def hold_out(self, fraction: float) -> NoReturn:
        """Not for datasets: which of their rows are the same each time is not known here."""
        raise ValueError(
            f"{self.where}: validation_split={fraction} needs arrays, received a tf.data.Dataset; "
            "pass Task(train, validation=...)"
        )

    def _all_rows(self, batch_size: int) -> tf.data.Dataset:
        return self.dataset if self.batched else self.dataset.batch(batch_size)

    def _rows(self, batch_size: int) -> tf.data.Dataset:
        rows = self._all_rows(batch_size)
        return rows if self.limit is None else rows.take(self.limit)

    def _is_batched(self) -> bool:
        element = self.dataset.element_spec
        if not (isinstance(element, tuple) and len(element) in (2, 3)):
            raise ValueError(
                f"{self.where}: expected a dataset of (x, y) or (x, y, sample_weight), received "
                f"{element}"
            )
        shape = element[0].shape
        if shape.rank is None:
            raise ValueError(f"{self.where}: expected x of known rank, received {element[0]}")
        batched = shape.rank == len(self.spec.input_shape) + 1
        check_shape(tuple(shape[1:] if batched else shape), self.spec, self.where)
        return batched

    def _standard(self, x: tf.Tensor, y: tf.Tensor, *weight: tf.Tensor) -> tuple[tf.Tensor, ...]:
        if y.shape.rank == 2:
            one_hot = y.shape[1] == self.spec.num_classes and y.shape[1] != 1
            y = tf.argmax(y, axis=1) if one_hot else y[:, 0]
        x = tf.ensure_shape(as_floats(x, self.spec.unit_range), (None, *self.spec.input_shape))
        weights = (tf.reshape(tf.cast(part, tf.float32), (-1,)) for part in weight)
        return x, tf.ensure_shape(tf.cast(y, tf.int32), (None,)), *weights


def message_of(error: tf.errors.OpError) -> str:
    """What a `tf.errors.OpError` tells, without the name of the operation before it."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()] or [repr(error)]
    return next((line for line in lines if "Error: " in line), lines[0]).split("}} ")[-1]
