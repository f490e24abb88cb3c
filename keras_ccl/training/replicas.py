"""Several replicas and workers: the noise of each, its share of the loss, and who writes files.

The strategy is TensorFlow's own: make the model in `strategy.scope()`. A batch is split over the
replicas; on one replica nothing here changes anything.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

WORKER_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError)
"""What a collective raises when a worker it waits for is gone."""


def state(
    layer: keras.layers.Layer, name: str, shape: Sequence[int], dtype: str | None = None
) -> keras.Variable:
    """A weight of zeros, not trained, which every replica sets to the same values.

    Args:
        layer: whose weight it is.
        name: of the weight.
        shape: of the weight.
        dtype: None: that of the layer's variables.
    """
    return layer.add_weight(
        name=name,
        shape=tuple(shape),
        dtype=dtype,
        initializer="zeros",
        trainable=False,
        aggregation="only_first_replica",
    )


def fold_in_replica(seed: tf.Tensor) -> tf.Tensor:
    """The stateless seed of this replica: replicas that drew the same noise would learn less.

    Args:
        seed: [2] int32, the same on every replica.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    return tf.random.experimental.stateless_fold_in(seed, context.replica_id_in_sync_group)


def share_of_rows(rows: tf.Tensor) -> tf.Tensor:
    """The share of the rows of a step that this replica holds; 0 where a short batch left none.

    Replicas add up their gradients, so the mean over a replica's rows counts by this share.

    Args:
        rows: how many this replica holds, an integer tensor.
    """
    if tf.distribute.get_replica_context().num_replicas_in_sync == 1:
        return tf.constant(1.0)
    rows = tf.cast(rows, tf.float32)
    return rows / over_replicas(rows)


def over_replicas(value: tf.Tensor) -> tf.Tensor:
    """The sum of a tensor over all replicas: the tensor itself where there is one."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def reducible_logs(logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Logs of a step as Keras can reduce them: between workers it reduces along axis 0."""
    if not has_workers(tf.distribute.get_strategy()):
        return logs
    return {name: value[tf.newaxis] for name, value in logs.items()}


def has_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes take part."""
    return sum(len(addresses) for addresses in _cluster(strategy).values()) > 1


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes files and speaks."""
    if not has_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    first = "chief" if "chief" in _cluster(strategy) else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


def check(model: Any) -> None:
    """Refuse what cannot run, or would run wrongly, on several replicas.

    Raises:
        ValueError: naming the option.
    """
    strategy = model.distribute_strategy
    if not strategy.extended.variable_created_in_scope(model.noise.value):
        raise ValueError(
            "strategy: expected a model made in the scope that fit_tasks is called in, received "
            "one made outside of it: `with strategy.scope(): model = CCLGM(...)`"
        )
    replicas = strategy.num_replicas_in_sync
    if replicas > 1 and model.compiled and model.steps_per_execution > 1:
        raise ValueError(
            f"steps_per_execution: expected 1 on {replicas} replicas, which Keras needs; received "
            f"{model.steps_per_execution}"
        )
    if replicas > 1 and model.compiled and model.jit_compile:
        raise ValueError(f"jit_compile: expected False on {replicas} replicas, received True")
    if has_workers(strategy) and model.seed is None:
        raise ValueError(
            "seed: expected an integer where several workers train one model: each draws its noise "
            "and the order of rows from it; received None"
        )


@contextlib.contextmanager
def lost_worker_named(strategy: tf.distribute.Strategy, task: Callable[[], int]) -> Iterator[None]:
    """A context in which the loss of a worker is one clear error in all others.

    Args:
        strategy: of the model.
        task: returns the number of the task under way, for the error.

    Raises:
        RuntimeError: naming the task.
    """
    try:
        yield
    except WORKER_LOST as error:
        if not has_workers(strategy):
            raise
        raise RuntimeError(
            f"task {task()}: a worker of the cluster is gone, and the others cannot go on without "
            "it. Start all of them again: with checkpoint_dir the run goes on from its last "
            "checkpoint"
        ) from error


def _cluster(strategy: tf.distribute.Strategy) -> dict[str, list[str]]:
    """Addresses by kind of task, empty without a cluster."""
    resolver = strategy.cluster_resolver
    return resolver.cluster_spec().as_dict() if resolver is not None else {}
