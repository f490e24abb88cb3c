"""ArraySplit: rows in memory as checked batches, in an order that a seed decides."""

from __future__ import annotations

import contextlib
import copy
import math
from collections import Counter

import numpy as np
import tensorflow as tf

from keras_ccl.data.byte_inputs import check_not_black_and_white, is_bytes
from keras_ccl.data.label_counts import CountedLabels, count_labels
from keras_ccl.data.label_repeats import Showing, showing
from keras_ccl.data.pipelines import shard_by_rows, with_tuning
from keras_ccl.data.validation import (
    DataSpec,
    check_rows,
    check_weight,
)

PREFETCHED = 4
"""Batches made ready ahead of the step that takes them."""


class ArraySplit(CountedLabels):
    """Rows in memory, checked on entry.

    Args:
        x: `[N, ...]`.
        y: `[N]`, `[N, 1]` or one-hot `[N, K]`.
        spec: what the model expects of rows.
        where: its name in errors.
        weight: `[N]`, how much each row counts, or None.

    Attributes:
        scaled: whether x was bytes and is divided by 255.
        repeats_labels: whether `training` shows rows with a label more often, where they are few.
    """

    repeats_labels = False

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        spec: DataSpec,
        where: str,
        weight: np.ndarray | None = None,
    ) -> None:
        self.scaled = is_bytes(x.dtype, spec.unit_range)
        self.x, self.y = check_rows(x, y, spec, where)
        self.weight = None if weight is None else check_weight(weight, len(self.x), where)
        self.spec, self.where = spec, where
        self._held: tuple[tf.Tensor, ...] | None = None
        if not len(self.x):
            raise ValueError(f"{where}: expected at least one row, received an empty dataset")
        if self.scaled:
            check_not_black_and_white(x.max(), where)

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """One pass in order: a dataset of (x, y) or (x, y, weight)."""
        return self._gather(tf.data.Dataset.range(len(self.x)).batch(batch_size))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.x)

    @property
    def own_batch(self) -> int | None:
        """Rows per batch that came with the rows: none did."""
        return None

    @property
    def label_counts(self) -> Counter[int]:
        """How many rows have each label, by class."""
        return count_labels(self.y)

    def some_rows(self, most: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `most` rows, drawn without replacement: arrays x and y."""
        chosen = np.random.default_rng(seed).permutation(len(self.x))[:most]
        x, y, *_ = (tf.gather(part, chosen).numpy() for part in self._tensors())
        return x, y

    def measured(self) -> contextlib.AbstractContextManager:
        """A context in which rows of a dataset may not fit: rows in memory do."""
        return contextlib.nullcontext()

    def note_passes(self, number: int) -> None:
        """Nothing: the order of rows in memory follows from a seed."""

    def make_passes(self, number: int) -> None:
        """Nothing, likewise."""

    def steps(self, batch_size: int) -> int:
        """Batches per epoch: of one pass, in which rows may come several times."""
        shown = self._showing()
        return math.ceil(len(self.x if shown is None else shown.rows) / batch_size)

    def training(
        self,
        batch_size: int,
        *,
        seed: tf.Tensor,
        steps_per_epoch: int | None = None,
        first_epoch: int = 0,
    ) -> tuple[tf.data.Dataset, int]:
        """Epochs without end, each in another order.

        The order depends on `seed` and the number of the epoch alone, so that a run can go on at
        any epoch.

        Args:
            batch_size: rows per batch.
            seed: `[2]` integers.
            steps_per_epoch: None for one pass over the rows.
            first_epoch: the epoch to begin with, from 0.

        Returns:
            A dataset of (x, y) or (x, y, weight), and the steps of an epoch.
        """
        shown = self._showing()
        rows = len(self.x if shown is None else shown.rows)
        steps_per_pass = math.ceil(rows / batch_size)

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            key = tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int32))
            in_order = tf.data.Dataset.range(rows).batch(batch_size)
            return in_order.map(
                lambda index: tf.random.experimental.index_shuffle(index, key, rows - 1)
            )

        steps = steps_per_epoch or steps_per_pass
        before, rest = divmod(first_epoch * steps, steps_per_pass)  # whole passes, and steps
        passes = tf.data.Dataset.counter(before).flat_map(epoch).skip(rest)
        if shown is None:
            return self._gather(passes), steps
        index = tf.constant(shown.rows)
        return self._weighing(shown.weight)._gather(
            passes.map(lambda i: tf.gather(index, i))
        ), steps

    def repeating_labels(self) -> ArraySplit:
        """The same rows, with `repeats_labels`."""
        split = copy.copy(self)
        split.repeats_labels = True
        return split

    def _showing(self) -> Showing | None:
        return showing(self.y) if self.repeats_labels else None

    def _weighing(self, weight: np.ndarray) -> ArraySplit:
        """The same rows, each of which counts `weight` times as much."""
        split = copy.copy(self)
        split.weight = weight if self.weight is None else weight * self.weight
        if self._held is not None:
            split._held = (*self._held[:2], tf.constant(split.weight))
        return split

    def hold_out(self, fraction: float) -> tuple[ArraySplit, ArraySplit]:
        """Cut off the last `fraction` of the rows: train and validation."""
        kept = len(self.x) - math.ceil(len(self.x) * fraction)
        if kept < 1:
            raise ValueError(
                f"{self.where}: validation_split={fraction} leaves none of {len(self.x)} rows"
            )
        first, last = slice(None, kept), slice(kept, None)
        return self._part(first, self.where), self._part(last, f"{self.where}, held out")

    def _part(self, rows: slice, where: str) -> ArraySplit:
        part = copy.copy(self)
        part.x, part.y, part.where = self.x[rows], self.y[rows], where
        part.weight = None if self.weight is None else self.weight[rows]
        return part

    def held(self) -> ArraySplit:
        """A copy, checked once more: what becomes of the arrays then does not matter."""
        check_rows(self.x, self.y, self.spec.of_indices, self.where)
        split = copy.copy(self)
        split._held = self._tensors()
        return split

    def labelled(self, spec: DataSpec) -> ArraySplit:
        """The same rows where classes have the indices that `spec` tells."""
        if self.spec.labels in (None, spec.labels) or spec.labels is None:
            return self
        split = copy.copy(self)
        split.spec, split._held = spec, None
        split.y = spec.indices(self.spec.labels.names_of(self.y), self.where)
        return split

    @property
    def labels(self) -> np.ndarray:
        """The labels of the rows, as whoever passed them calls the classes."""
        return self.y if self.spec.labels is None else self.spec.labels.names_of(self.y)

    def _tensors(self) -> tuple[tf.Tensor, ...]:
        """Copies of x, y and the weights, if there are any."""
        if self._held is not None:
            return self._held
        with tf.device("CPU"):
            return tuple(tf.constant(part) for part in self._arrays())

    def _arrays(self) -> tuple[np.ndarray, ...]:
        """x, y and the weights, if there are any."""
        return (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)

    def _gather(self, indices: tf.data.Dataset) -> tf.data.Dataset:
        parts = self._tensors()
        return self._delivered(indices.map(lambda i: tuple(tf.gather(part, i) for part in parts)))

    def _delivered(self, rows: tf.data.Dataset) -> tf.data.Dataset:
        return shard_by_rows(with_tuning(rows.prefetch(PREFETCHED), enabled=False))
