"""The diagonal empirical Fisher information: pure, from per-example gradients."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

CHUNK = 32
"""Rows whose gradients are held at once: each takes as much memory as the weights."""


def diagonal_fisher(
    loss: Callable[[tuple[tf.Tensor, ...]], tf.Tensor],
    rows: tuple[np.ndarray, ...],
    variables: Sequence[tf.Variable],
) -> list[tf.Tensor]:
    """The mean over rows of the squared gradient of each row's own loss (Kirkpatrick et al. 2017).

    Args:
        loss: a function of one row, a tuple of tensors without the batch axis, that returns a
            scalar, nats.
        rows: arrays `[N, ...]`.
        variables: what the gradients are taken of.

    Returns:
        One tensor per variable, in its shape.
    """

    def squared_gradients(row):
        with tf.GradientTape() as tape:
            value = loss(row)
        gradients = tape.gradient(value, variables, unconnected_gradients="zero")
        return [tf.square(gradient) for gradient in gradients]

    @tf.function(reduce_retracing=True)
    def sum_over(chunk):
        each = tf.vectorized_map(squared_gradients, chunk)
        return [tf.reduce_sum(gradient, 0) for gradient in each]

    count = len(rows[0])
    totals = [tf.zeros(variable.shape) for variable in variables]
    for start in range(0, count, CHUNK):
        chunk = tuple(tf.convert_to_tensor(part[start : start + CHUNK]) for part in rows)
        totals = [total + part for total, part in zip(totals, sum_over(chunk), strict=True)]
    return [total / count for total in totals]
