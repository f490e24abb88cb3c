"""How generated rows join current ones in a step, and what each weighs."""

from collections.abc import Callable

import tensorflow as tf

from keras_ccl.models.rows import Generated, Rows

Generate = Callable[[tf.Tensor], Generated]
"""A function of a number of rows that draws them."""


def balanced(x: tf.Tensor, y: tf.Tensor, generate: Generate, tasks_seen: tf.Tensor) -> Rows:
    """B current and B generated rows; the current ones weigh 1/sqrt(t+1) together.

    The student begins as the teacher: the generated rows hold it, the current ones have all to
    teach. Weighing 1/(t+1) they are learnt less with each task, weighing 1/2 the earliest tasks are
    lost (docs/experiments.md). An epoch costs the same after any number of tasks.

    Args:
        x: `[B, ...]`.
        y: `[B, K]`.
        generate: draws the generated rows.
        tasks_seen: t >= 1, an integer.
    """
    rows = tf.shape(x)[0]
    new = tf.math.rsqrt(tf.cast(tasks_seen, tf.float32) + 1)
    each = 1.0 / tf.cast(rows, tf.float32)
    weight = tf.concat([tf.fill([rows], new * each), tf.fill([rows], (1 - new) * each)], 0)
    return _join(x, y, generate(rows), weight)


def mixed(x: tf.Tensor, y: tf.Tensor, generate: Generate, tasks_seen: tf.Tensor) -> Rows:
    """The mixed batch of the paper: of B rows, B t/(t+1) are generated, the first stay current.

    One mean over all rows. At least one row of each kind is kept when B > 1.

    Args:
        x: `[B, ...]`.
        y: `[B, K]`.
        generate: draws the generated rows.
        tasks_seen: t >= 1, an integer.
    """
    batch, seen = tf.shape(x)[0], tf.cast(tasks_seen, tf.float32)
    generated = tf.cast(seen / (seen + 1) * tf.cast(batch, tf.float32), tf.int32)
    kept = batch - generated
    weight = tf.fill([batch], 1.0 / tf.cast(batch, tf.float32))
    return _join(x[:kept], y[:kept], generate(generated), weight)


REPLAYS = {"balanced": balanced, "mixed": mixed}
"""By the name that the option `replay` takes."""


def _join(x: tf.Tensor, y: tf.Tensor, generated: Generated, weight: tf.Tensor) -> Rows:
    return Rows(
        x=tf.concat([x, generated.x], 0),
        y=tf.concat([y, generated.y], 0),
        weight=weight,
        current=tf.shape(x)[0],
        q_teacher=generated.q,
    )
