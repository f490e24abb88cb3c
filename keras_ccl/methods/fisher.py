"""The diagonal empirical Fisher information: pure, from per-example gradients."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

CHUNK = 32
"""Rows whose gradients are held at once: each takes as much memory as the weights."""


Sums = Callable[[tuple[tf.Tensor, ...]], list[tf.Tensor]]
"""Of rows `[n, ...]`: the sum of the squared gradients of each, one tensor per variable."""


def squared_gradient_sums(
    loss: Callable[[tuple[tf.Tensor, ...]], tf.Tensor], variables: Sequence[tf.Variable]
) -> Sums:
    """A traced function of rows, to be made once for a loss: another is traced anew.

    Args:
        loss: a function of one row, a tuple of tensors without the batch axis, that returns a
            scalar, nats.
        variables: what the gradients are taken of.
    """

    def squared_gradients(row):
        with tf.GradientTape() as tape:
            value = loss(row)
        gradients = tape.gradient(value, variables, unconnected_gradients="zero")
        return [tf.square(gradient) for gradient in gradients]

    @tf.function(reduce_retracing=True, autograph=False)
    def sum_over(chunk):
        each = tf.vectorized_map(squared_gradients, chunk, warn=False)  # noise is drawn in a loop
        return [tf.reduce_sum(gradient, 0) for gradient in each]

    return sum_over


def diagonal_fisher(sums: Sums, rows: tuple[np.ndarray, ...]) -> list[tf.Tensor]:
    """The mean over rows of the squared gradient of each row's own loss (Kirkpatrick et al. 2017).

    Args:
        sums: of `squared_gradient_sums`.
        rows: arrays `[N, ...]`.

    Returns:
        One tensor per variable, in its shape.
    """
    count = len(rows[0])
    totals: list[tf.Tensor] = []
    for start in range(0, count, CHUNK):
        found = sums(tuple(tf.convert_to_tensor(part[start : start + CHUNK]) for part in rows))
        totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
    return [total / count for total in totals]
