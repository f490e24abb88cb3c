"""DatasetSplit: a `tf.data.Dataset` of the user's as checked batches, in its own order."""

from __future__ import annotations

import contextlib
import copy
import math
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import NoReturn

import numpy as np
import tensorflow as tf

from keras_ccl.data.byte_inputs import as_floats, check_not_black_and_white, is_bytes
from keras_ccl.data.entry_check import EntryCheck, is_batched, message_of
from keras_ccl.data.label_counts import CountedLabels, count_labels
from keras_ccl.data.passes_made import (
    begun_when_read,
    make_passes,
    note_passes,
    passes_made,
    shuffles_anew,
)
from keras_ccl.data.pipelines import shard_by_rows
from keras_ccl.data.validation import DataSpec

PATIENCE_SECONDS = 30
"""A first pass that takes longer may be without an end, and says so."""


class DatasetSplit(CountedLabels):
    """A `tf.data.Dataset` of (x, y) or (x, y, weight), batched or not; `verify` reads it once.

    Args:
        dataset: the dataset.
        spec: what the model expects of rows.
        where: its name in errors.
        steps: batches per epoch, needed if the dataset is infinite.

    Attributes:
        scaled: whether x is bytes and is divided by 255.
        label_counts: how many rows have each label, by class, of those that `verify` read.
        entry_check: of the rows, at each pass; it keeps what it refused.
    """

    def __init__(
        self, dataset: tf.data.Dataset, spec: DataSpec, where: str, steps: int | None = None
    ) -> None:
        self.dataset, self.where, self.limit = dataset, where, steps
        self._passes = begun_when_read(dataset)
        self.entry_check = EntryCheck(spec, where)
        self.batched = is_batched(dataset.element_spec, spec, where)
        self.scaled = is_bytes(dataset.element_spec[0].dtype, spec.unit_range)
        self.counted = self.rows = 0
        self.label_counts: Counter[int] = Counter()
        if steps is None and dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                f"{where}: an infinite dataset needs steps_per_epoch (validation and test data "
                "must be finite), received steps_per_epoch=None"
            )

    def verify(self, batch_size: int, *, learns: bool = False) -> DatasetSplit:
        """Read the rows of one epoch once and refuse what `check_rows` refuses, or no rows.

        Args:
            batch_size: rows per batch, where the dataset is not batched.
            learns: whether labels may be names that are new.
        """
        given = self.spec
        self.counted = self.rows = 0
        self.label_counts = Counter()
        brightest, deadline = 0, time.monotonic() + PATIENCE_SECONDS
        with self._read():
            for x, y, *weight in self._rows(batch_size).as_numpy_iterator():
                labels = self.entry_check.check(x, y, *weight, learns=learns)
                self.label_counts.update(count_labels(labels))
                if self.scaled:
                    brightest = max(brightest, x.max())
                self.rows, self.counted = self.rows + len(x), self.counted + 1
                if self.limit is None and time.monotonic() > deadline:
                    warnings.warn(
                        f"{self.where}: {self.rows} rows were read and there are more; a dataset "
                        "without an end needs steps_per_epoch",
                        stacklevel=2,
                    )
                    deadline = math.inf
        if not self.rows:
            raise ValueError(f"{self.where}: expected at least one row, received an empty dataset")
        if self.scaled:
            check_not_black_and_white(brightest, self.where)
        return self if given.labels is None else self.labelled(given.with_names(self.names))

    @property
    def spec(self) -> DataSpec:
        """What the model expects of rows."""
        return self.entry_check.spec

    def labelled(self, spec: DataSpec) -> DatasetSplit:
        """The same rows where classes have the indices that `spec` tells."""
        if self.spec.labels in (None, spec.labels) or spec.labels is None:
            return self
        split = copy.copy(self)
        split.entry_check = EntryCheck(spec, self.where)
        counts = [number for _, number in sorted(self.label_counts.items())]
        indices = spec.indices(self.names, self.where).tolist()
        split.label_counts = Counter(dict(zip(indices, counts, strict=True)))
        return split

    def held(self) -> DatasetSplit:
        """Itself: rows of a dataset are checked wherever they enter."""
        return self

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """A context of one pass by a model, in which rows that do not fit are one clear error.

        Raises:
            ValueError: for such rows; what else fails is raised as it is.
        """
        self.note_passes(1)
        try:
            yield
        except tf.errors.OpError as error:
            if self.entry_check.refused is None:
                raise
            raise self.entry_check.refused from error

    @contextlib.contextmanager
    def _read(self) -> Iterator[None]:
        """A context of one pass by nobody else, in which a failure is the dataset's own."""
        try:
            with self.measured():
                yield
        except tf.errors.OpError as error:
            raise ValueError(
                f"{self.where}: expected a dataset that can be read, which failed after "
                f"{self.rows} rows: {message_of(error)}"
            ) from error

    def batches(self, batch_size: int) -> tf.data.Dataset:
        """One epoch in the dataset's own order, its length known if it was verified."""
        rows = self._rows(batch_size).map(self._standard)
        if self.counted:
            rows = rows.apply(tf.data.experimental.assert_cardinality(self.steps(batch_size)))
        return shard_by_rows(rows.prefetch(tf.data.AUTOTUNE))

    def some_rows(self, most: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `most` rows, evenly spread over the dataset: arrays x and y."""
        every = max(1, self.rows // most)
        picked = self._passes.unbatch() if self.batched else self._passes
        picked = picked.take(self.rows).shard(every, seed % every).take(most).batch(1000)
        with self._read():
            x, y, *_ = zip(*picked.map(self._standard).as_numpy_iterator(), strict=True)
        return np.concatenate(x), np.concatenate(y)

    @property
    def own_batch(self) -> int | None:
        """Rows per batch of a batched dataset, None where it is not batched."""
        return math.ceil(self.rows / self.counted) if self.batched else None

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
        """The rows in the dataset's own order, after those of the epochs before `first_epoch`.

        Args:
            batch_size: rows per batch, where the dataset is not batched.
            seed: not needed: shuffling is left to the maker of the dataset.
            steps_per_epoch: None for one pass per epoch.
            first_epoch: the epoch to begin with, from 0.

        Returns:
            A dataset of (x, y) or (x, y, weight), and the steps of an epoch, None where the
            dataset ends with it.
        """
        unknown = self.dataset.cardinality() == tf.data.UNKNOWN_CARDINALITY
        if steps_per_epoch is None and not unknown:
            self.make_passes(first_epoch)
            return self.batches(batch_size), None
        # where the length is not known, Keras would warn at the end of each pass
        steps = steps_per_epoch or self.steps(batch_size)
        self.note_passes(first_epoch)
        rows = self._all_rows(batch_size).repeat().skip(first_epoch * steps).map(self._standard)
        return shard_by_rows(rows.prefetch(tf.data.AUTOTUNE)), steps

    @property
    def passes(self) -> int:
        """Passes over the dataset that this process made."""
        return passes_made(self.dataset)

    def note_passes(self, number: int) -> None:
        """Count passes that Keras makes."""
        note_passes(self.dataset, number)

    def make_passes(self, number: int) -> None:
        """Make passes that an earlier process made, where the next one depends on them."""
        make_passes(self.dataset, number)
        self.note_passes(number)

    def make_up_to(self, passes: int) -> None:
        """Make the passes that an earlier process made and this one did not.

        Raises:
            ValueError: if this process has made more of them, and the order of the next is drawn.
        """
        if self.passes <= passes:
            self.make_passes(passes - self.passes)
        elif shuffles_anew(self.dataset):
            raise ValueError(
                f"{self.where}: the order of the rows is drawn anew in each pass, and the dataset "
                f"was read {self.passes} times in this process, expected at most {passes}; to go "
                "on as if not stopped, make the dataset anew before fit_tasks is called again"
            )

    def hold_out(self, fraction: float) -> NoReturn:
        """Not for datasets: which of their rows are the same each time is not known here."""
        raise ValueError(
            f"{self.where}: validation_split={fraction} needs arrays, received a tf.data.Dataset; "
            "pass Task(train, validation=...)"
        )

    def _all_rows(self, batch_size: int) -> tf.data.Dataset:
        return self._passes if self.batched else self._passes.batch(batch_size)

    def _rows(self, batch_size: int) -> tf.data.Dataset:
        rows = self._all_rows(batch_size)
        return rows if self.limit is None else rows.take(self.limit)

    def _standard(self, x: tf.Tensor, y: tf.Tensor, *weight: tf.Tensor) -> tuple[tf.Tensor, ...]:
        x, y, *rest = self.entry_check(x, y, *weight)
        x = tf.ensure_shape(as_floats(x, self.spec.unit_range), (None, *self.spec.input_shape))
        weights = (tf.reshape(tf.cast(part, tf.float32), (-1,)) for part in rest)
        return x, tf.ensure_shape(self.entry_check.indices(y), (None,)), *weights
