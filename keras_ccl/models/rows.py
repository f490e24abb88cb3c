"""The rows of one training step, those that a model generates, and those that have no answer."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

INPUTS = ("sample", "mean")
LABELS = ("reencoded", "soft", "hard")

MOST_DRAWS = 200
"""How often as many samples are drawn, at most, until there are enough that are wanted."""


class Rows(NamedTuple):
    """The rows of one step, current ones first.

    Attributes:
        x: `[N, ...]`.
        y: `[N, K]`, one-hot or probabilities; 0 for a row without a label.
        weight: `[N]`, adding up to 1: the share of each row in the mean.
        current: how many of the rows are of the current task.
        q_teacher: the teacher's posteriors of the other rows, batch shape `[N - current]`, or None
            where there are no others.
        label_weight: `[N]`, how much the label of each row counts,
        nearby: the current rows moved a little, as the encoder sees them, and
        pull: `[current, K]`, what the answer of each class is worth; all None but where some rows
            of the task have no label (`self_labels`).
    """

    x: tf.Tensor
    y: tf.Tensor
    weight: tf.Tensor
    current: tf.Tensor
    q_teacher: tfd.Distribution | None = None
    label_weight: tf.Tensor | None = None
    nearby: tf.Tensor | None = None
    pull: tf.Tensor | None = None


class Generated(NamedTuple):
    """Rows drawn from a model.

    Attributes:
        z: `[n, Z]`.
        x: `[n, ...]`.
        y: `[n, K]`, probabilities.
        q: the model's q(z|x), batch shape `[n]`.
    """

    z: tf.Tensor
    x: tf.Tensor
    y: tf.Tensor
    q: tfd.Distribution


def current_only(x: tf.Tensor, y: tf.Tensor) -> Rows:
    """The rows of the current task alone, each weighing 1 / B.

    Args:
        x: `[B, ...]`.
        y: `[B, K]`.
    """
    rows = tf.shape(x)[0]
    return Rows(x, y, tf.fill([rows], 1.0 / tf.cast(rows, tf.float32)), rows)


def weighed(rows: Rows, weight: tf.Tensor | None) -> Rows:
    """Rows of which the current ones weigh by `sample_weight`, as in Keras; generated ones do not.

    Args:
        rows: of the step.
        weight: `[B]`, of the batch that they were made of, of which the first stay; or None.
    """
    if weight is None:
        return rows
    share = tf.concat([weight[: rows.current], tf.ones_like(rows.weight[rows.current :])], 0)
    return rows._replace(weight=rows.weight * share)


def as_arrays(batches: Iterable[Generated]) -> tuple[np.ndarray, np.ndarray]:
    """x `[N, ...]` of generated rows, and their most likely labels `[N]`, int32."""
    x, y = zip(*((rows.x.numpy(), rows.y.numpy()) for rows in batches), strict=True)
    return np.concatenate(x), np.concatenate(y).argmax(1).astype(np.int32)


def drawn_until(
    draw: Callable[[tf.Tensor], tf.Tensor],
    is_wanted: Callable[[tf.Tensor], tf.Tensor],
    seed: tf.Tensor,
) -> tf.Tensor:
    """The first samples that are wanted, of as many draws as it takes to find all of them.

    Where `MOST_DRAWS` find fewer, these are repeated; all are NaN where there is none.

    Args:
        draw: a stateless seed, `[2]` int32 -> samples `[n, Z]`.
        is_wanted: samples -> `[n]`, bool.
        seed: a stateless seed, `[2]` int32.

    Returns:
        `[n, Z]`.
    """

    def again(number: tf.Tensor, z: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, ...]:
        fresh = draw(tf.random.experimental.stateless_fold_in(seed, number))
        both = tf.concat([z, fresh], 0), tf.concat([found, is_wanted(fresh)], 0)
        first = tf.argsort(tf.cast(~both[1], tf.int32), stable=True)[: tf.shape(z)[0]]
        kept = (tf.gather(part, first) for part in both)
        shapes = z.shape, found.shape  # as they came in, which a loop asks for
        return number + 1, *map(tf.ensure_shape, kept, shapes)

    z = draw(seed)
    _, z, found = tf.while_loop(
        lambda number, _, found: (number < MOST_DRAWS) & ~tf.reduce_all(found),
        again,
        (tf.constant(0), z, is_wanted(z)),
    )
    count = tf.reduce_sum(tf.cast(found, tf.int32))
    repeated = tf.gather(z, tf.range(tf.shape(z)[0]) % tf.maximum(count, 1))
    return tf.where(count > 0, repeated, tf.constant(float("nan"), z.dtype))


def generated_inputs(p_x: tfd.Distribution, kind: str, seed: tf.Tensor) -> tf.Tensor:
    """x~ of rows that a model generates or reconstructs.

    Args:
        p_x: p(x|z), batch shape `[n]`.
        kind: `"sample"` or `"mean"` of it.
        seed: a stateless seed, `[2]` int32.

    Returns:
        `[n, ...]`.
    """
    return p_x.sample(seed=seed) if kind == "sample" else p_x.mean()


def generated_labels(
    logits_of_z: tf.Tensor, logits_of_x: tf.Tensor, kind: str, temperature: float
) -> tf.Tensor:
    """y~ of generated rows, as probabilities.

    Args:
        logits_of_z: `[n, K]`, of the teacher's classifier at the z that x~ was decoded from.
        logits_of_x: `[n, K]`, of its classifier at the posterior mean of x~, encoded again.
        kind: `"reencoded"`: softmax of `logits_of_x`; `"soft"`: softmax of `logits_of_z`;
            `"hard"` (paper): the most likely class given z.
        temperature: divides the logits of the two soft kinds.

    Returns:
        `[n, K]`.
    """
    if kind == "hard":
        return tf.one_hot(tf.argmax(logits_of_z, axis=1), logits_of_z.shape[1])
    return tf.nn.softmax((logits_of_x if kind == "reencoded" else logits_of_z) / temperature)


def where_finite(x: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
    """The answers, but NaN for every row of x that holds a NaN or an infinite value.

    Args:
        x: `[B, ...]`, floats or bytes.
        answers: `[B, ...]`.

    Returns:
        As `answers`.
    """
    x = tf.convert_to_tensor(x)
    if not x.dtype.is_floating:
        return answers
    small = tf.abs(x) <= x.dtype.max  # false for NaN; of operations that every export format has
    finite = tf.reduce_all(small, axis=list(range(1, len(x.shape))))
    finite = tf.reshape(finite, [-1, *[1] * (len(answers.shape) - 1)])
    return tf.where(finite, answers, tf.constant(float("nan"), answers.dtype))
