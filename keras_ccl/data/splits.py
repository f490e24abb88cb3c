"""Splits of a task as checked batches of (x float32, y int32), whatever the user passed."""

import math

import numpy as np
import tensorflow as tf

from keras_ccl.data.validation import DataSpec, check_rows, check_shape

MEASURING_BATCH = 1000
"""Rows a batch where nothing is learnt."""

PREFETCHED = 4
"""Batches of arrays made ready ahead of the step that takes them."""


class ArraySplit:
    """Rows in memory, checked on entry.

    Args:
        x: [N, ...]; y: [N], [N, 1] or one-hot [N, K]; spec: a `DataSpec`;
        where: its name in errors.
    """

    def __init__(self, x, y, spec: DataSpec, where):
        self.x, self.y = check_rows(x, y, spec, where)
        self.spec, self.where = spec, where
        if not len(self.x):
            raise ValueError(f"{where}: expected at least one row, received an empty dataset")

    def batches(self, batch_size):
        """One pass in order: a dataset of (x, y)."""
        return self._gather(tf.data.Dataset.range(len(self.x)).batch(batch_size))

    @property
    def rows(self):
        """How many rows there are."""
        return len(self.x)

    def some_rows(self, most, *, seed):
        """At most `most` rows, drawn without replacement: arrays x and y."""
        chosen = np.random.default_rng(seed).permutation(len(self.x))[:most]
        return self.x[chosen], self.y[chosen]

    def steps(self, batch_size):
        """Batches an epoch."""
        return math.ceil(len(self.x) / batch_size)

    def training(self, batch_size, *, seed, steps_per_epoch=None, first_epoch=0):
        """Epochs without end from `first_epoch` on, and the steps of one.

        Each is in another order, which depends on `seed`, [2] integers, and on its number alone:
        a run can go on at any epoch.
        """
        rows = len(self.x)

        def epoch(number):
            key = tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int32))
            in_order = tf.data.Dataset.range(rows).batch(batch_size)
            return in_order.map(
                lambda index: tf.random.experimental.index_shuffle(index, key, rows - 1)
            )

        steps = steps_per_epoch or self.steps(batch_size)
        before = first_epoch * steps // self.steps(batch_size)  # whole passes over the rows
        passes = tf.data.Dataset.counter(before).flat_map(epoch)
        return self._gather(passes.skip(first_epoch * steps % self.steps(batch_size))), steps

    def hold_out(self, fraction):
        """Cut the last `fraction` of the rows off: (train, validation)."""
        kept = len(self.x) - math.ceil(len(self.x) * fraction)
        if kept < 1:
            raise ValueError(
                f"{self.where}: validation_split={fraction} leaves none of {len(self.x)} rows"
            )
        first, last = slice(None, kept), slice(kept, None)
        return (
            ArraySplit(self.x[first], self.y[first], self.spec, self.where),
            ArraySplit(self.x[last], self.y[last], self.spec, f"{self.where}, held out"),
        )

    def _gather(self, indices):
        x, y = tf.constant(self.x), tf.constant(self.y)
        picked = indices.map(lambda i: (tf.gather(x, i), tf.gather(y, i)))
        return shard_by_rows(with_tuning(picked.prefetch(PREFETCHED), enabled=False))


class DatasetSplit:
    """A `tf.data.Dataset` of (x, y), batched or not; `verify` reads it once.

    Args:
        dataset: the dataset; spec: a `DataSpec`; where: its name in errors;
        steps: batches an epoch, needed if the dataset is infinite.
    """

    def __init__(self, dataset, spec: DataSpec, where, steps=None):
        self.dataset, self.spec, self.where, self.limit = dataset, spec, where, steps
        self.batched = self._is_batched()
        self.counted = self.rows = 0
        if steps is None and dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError(
                f"{where}: an infinite dataset needs steps_per_epoch (validation and test data "
                "must be finite), received steps_per_epoch=None"
            )

    def verify(self, batch_size):
        """Read the rows of one epoch once and refuse what `check_rows` refuses, or no rows."""
        self.counted = self.rows = 0
        try:
            for x, y in self._rows(batch_size).as_numpy_iterator():
                check_rows(x, y, self.spec, self.where)
                self.rows, self.counted = self.rows + len(x), self.counted + 1
        except tf.errors.OpError as error:
            raise ValueError(
                f"{self.where}: expected a dataset that can be read, which failed after "
                f"{self.rows} rows: {message_of(error)}"
            ) from error
        if not self.rows:
            raise ValueError(f"{self.where}: expected at least one row, received an empty dataset")
        return self

    def batches(self, batch_size):
        """One epoch in the dataset's own order."""
        rows = self._rows(batch_size).map(self._standard)
        return shard_by_rows(rows.prefetch(tf.data.AUTOTUNE))

    def some_rows(self, most, *, seed):
        """At most `most` rows, evenly spread over the dataset: arrays x and y."""
        every = max(1, self.rows // most)
        picked = self.dataset.unbatch() if self.batched else self.dataset
        picked = picked.take(self.rows).shard(every, seed % every).take(most).batch(1000)
        x, y = zip(*picked.map(self._standard).as_numpy_iterator(), strict=True)
        return np.concatenate(x), np.concatenate(y)

    def steps(self, batch_size):
        """Batches an epoch, as `verify` counted them."""
        return self.counted

    def training(self, batch_size, *, seed, steps_per_epoch=None, first_epoch=0):
        """The rows in the dataset's own order, and the steps of an epoch, None where it ends.

        `seed` is not needed: shuffling is left to the dataset's maker.
        """
        if steps_per_epoch is None:
            return self.batches(batch_size), None
        rows = self._all_rows(batch_size).repeat().skip(first_epoch * steps_per_epoch)
        rows = rows.map(self._standard)
        return shard_by_rows(rows.prefetch(tf.data.AUTOTUNE)), steps_per_epoch

    def hold_out(self, fraction):
        """Not for datasets: which of their rows are the same each time is not known here."""
        raise ValueError(
            f"{self.where}: validation_split={fraction} needs arrays, received a tf.data.Dataset; "
            "pass Task(train, validation=...)"
        )

    def _all_rows(self, batch_size):
        return self.dataset if self.batched else self.dataset.batch(batch_size)

    def _rows(self, batch_size):
        rows = self._all_rows(batch_size)
        return rows if self.limit is None else rows.take(self.limit)

    def _is_batched(self):
        element = self.dataset.element_spec
        if not (isinstance(element, tuple) and len(element) == 2):
            raise ValueError(f"{self.where}: expected a dataset of (x, y), received {element}")
        shape = element[0].shape
        if shape.rank is None:
            raise ValueError(f"{self.where}: expected x of known rank, received {element[0]}")
        batched = shape.rank == len(self.spec.input_shape) + 1
        check_shape(tuple(shape[1:] if batched else shape), self.spec, self.where)
        return batched

    def _standard(self, x, y):
        if y.shape.rank == 2:
            one_hot = y.shape[1] == self.spec.num_classes and y.shape[1] != 1
            y = tf.argmax(y, axis=1) if one_hot else y[:, 0]
        x = tf.ensure_shape(tf.cast(x, tf.float32), (None, *self.spec.input_shape))
        return x, tf.ensure_shape(tf.cast(y, tf.int32), (None,))


Split = ArraySplit | DatasetSplit


def shard_by_rows(dataset):
    """The dataset with rows, not files, to be shared out among workers."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


def with_tuning(dataset, *, enabled):
    """The dataset with or without tf.data's tuning thread; without: where nothing is to be tuned.

    The thread sleeps twice as long each time, and an iterator that ends may wait until it wakes:
    up to as long again as the iterator was in use (benchmarks/pipeline.py).
    """
    options = tf.data.Options()
    options.autotune.enabled = enabled
    return dataset.with_options(options)


def message_of(error):
    """What a `tf.errors.OpError` tells, without the name of the operation before it."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()] or [repr(error)]
    return next((line for line in lines if "Error: " in line), lines[0]).split("}} ")[-1]


def resolve(data):
    """What a split holds when its task is reached: a split given as a function is called."""
    return data() if callable(data) and not isinstance(data, tf.data.Dataset) else data


def as_split(data, spec, where, *, batch_size, steps=None):
    """A checked split of what a user passed.

    Args:
        data: a tuple (x, y) of arrays, a `tf.data.Dataset`, a function that returns one of these,
            or a split already made.

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
