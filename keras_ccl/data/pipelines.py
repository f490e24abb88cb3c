"""Options of tf.data pipelines: how they are sharded, and whether they are tuned."""

import tensorflow as tf


def shard_by_rows(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset, sharded among workers by rows and not by files."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


def with_tuning(dataset: tf.data.Dataset, *, enabled: bool) -> tf.data.Dataset:
    """The dataset with or without tf.data's tuning thread; without it where nothing is tuned.

    The thread sleeps twice as long each time, and an iterator that ends may wait until it wakes:
    up to as long again as the iterator was in use (benchmarks/pipeline.py).
    """
    options = tf.data.Options()
    options.autotune.enabled = enabled
    return dataset.with_options(options)
