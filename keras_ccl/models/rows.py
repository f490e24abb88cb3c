"""How generated rows join the rows of the current task, and what each row weighs.

Nothing here knows a model: rows come from a `generate(n)` callable.
"""

from typing import Any, NamedTuple

import tensorflow as tf

INPUTS = ("sample", "mean")
LABELS = ("reencoded", "soft", "hard")


class Rows(NamedTuple):
    """The rows of one step, current ones first.

    Attributes:
        x: [N, ...]; y: [N, K], one-hot or probabilities.
        weight: [N], adding up to 1: the share of each row in the mean.
        current: how many of the rows are of the current task.
        q_teacher: the teacher's posteriors of the other rows, batch shape [N - current]; None
            where there are none.
    """

    x: Any
    y: Any
    weight: Any
    current: Any
    q_teacher: Any = None


class Generated(NamedTuple):
    """Rows drawn from a teacher: z [n, Z], x [n, ...], y [n, K], and q_t(z|x), batch shape [n]."""

    z: Any
    x: Any
    y: Any
    q: Any


def current_only(x, y):
    """The rows of the current task alone, each weighing 1 / B.

    Args:
        x: [B, ...]; y: [B, K].
    """
    rows = tf.shape(x)[0]
    return Rows(x, y, tf.fill([rows], 1.0 / tf.cast(rows, tf.float32)), rows)


def balanced(x, y, generate, tasks_seen):
    """B current and B generated rows, weighing 1/(t+1) and t/(t+1) together.

    An epoch costs the same after any number of tasks.

    Args:
        x: [B, ...]; y: [B, K]; generate: a function of n that returns `Generated` rows;
        tasks_seen: t >= 1, an integer tensor.
    """
    rows = tf.shape(x)[0]
    old = _share_of_old(tasks_seen)
    each = 1.0 / tf.cast(rows, tf.float32)
    weight = tf.concat([tf.fill([rows], (1 - old) * each), tf.fill([rows], old * each)], 0)
    return _join(x, y, generate(rows), weight)


def mixed(x, y, generate, tasks_seen):
    """The paper's: of B rows, B t/(t+1) are generated and the first of the batch stay current.

    One mean over all rows. At least one row of each kind is kept when B > 1.

    Args:
        as `balanced`.
    """
    batch = tf.shape(x)[0]
    generated = tf.cast(_share_of_old(tasks_seen) * tf.cast(batch, tf.float32), tf.int32)
    kept = batch - generated
    weight = tf.fill([batch], 1.0 / tf.cast(batch, tf.float32))
    return _join(x[:kept], y[:kept], generate(generated), weight)


def inputs(p_x, kind, seed):
    """x~ of rows that a model generates, or reconstructs.

    Args:
        p_x: p(x|z), batch shape [n]; kind: a `"sample"` of it, or its `"mean"`; seed: a stateless
            seed, [2] int32.

    Returns:
        [n, ...].
    """
    return p_x.sample(seed=seed) if kind == "sample" else p_x.mean()


def labels(logits_of_z, logits_of_x, kind, temperature):
    """y~ of generated rows, as probabilities.

    Args:
        logits_of_z: [n, K], the teacher's classifier on the z that x~ was decoded from;
        logits_of_x: [n, K], its classifier on the posterior mean of x~ encoded again.
        kind: `"reencoded"`: softmax of `logits_of_x`; `"soft"`: softmax of `logits_of_z`;
            `"hard"` (paper): the most likely class given z.
        temperature: divides the logits of the two soft kinds.

    Returns:
        [n, K].
    """
    if kind == "hard":
        return tf.one_hot(tf.argmax(logits_of_z, axis=1), logits_of_z.shape[1])
    return tf.nn.softmax((logits_of_x if kind == "reencoded" else logits_of_z) / temperature)


def _share_of_old(tasks_seen):
    seen = tf.cast(tasks_seen, tf.float32)
    return seen / (seen + 1)


def _join(x, y, generated, weight):
    return Rows(
        x=tf.concat([x, generated.x], 0),
        y=tf.concat([y, generated.y], 0),
        weight=weight,
        current=tf.shape(x)[0],
        q_teacher=generated.q,
    )


REPLAYS = {"balanced": balanced, "mixed": mixed}
