"""The rows of one training step, those that a model generates, and those that have no answer."""

from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

INPUTS = ("sample", "mean")
LABELS = ("reencoded", "soft", "hard")


class Rows(NamedTuple):
    """The rows of one step, current ones first.

    Attributes:
        x: `[N, ...]`.
        y: `[N, K]`, one-hot or probabilities; 0 for a row without a label.
        weight: `[N]`, adding up to 1: the share of each row in the mean.
        current: how many of the rows are of the current task.
        q_teacher: the teacher's posteriors of the other rows, batch shape `[N - current]`, or None
            where there are no others.
        label_weight: `[N]`, how much the label of each row counts, and
        nearby: the current rows moved a little, as the encoder sees them; both None but where
            some rows of the task have no label (`self_labels`).
    """

    x: tf.Tensor
    y: tf.Tensor
    weight: tf.Tensor
    current: tf.Tensor
    q_teacher: tfd.Distribution | None = None
    label_weight: tf.Tensor | None = None
    nearby: tf.Tensor | None = None


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
