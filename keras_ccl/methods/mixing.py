"""How generated rows join current ones in a step, and what each weighs."""

from collections.abc import Callable

import tensorflow as tf

from keras_ccl.models.rows import Generated, Rows, current_only

Generate = Callable[[tf.Tensor], Generated]
"""A function of a number of rows that draws them."""


def balanced(
    x: tf.Tensor,
    y: tf.Tensor,
    generate: Generate,
    tasks_seen: tf.Tensor,
    *,
    lacks_classes: bool = True,
) -> Rows:
    """B current and B generated rows, so that an epoch costs the same after any number of tasks.

    The current rows weigh 1/(t+1) together where their classes are not those of earlier tasks. Else
    they weigh 1/sqrt(t+1): the generated rows hold the student where it is, the current ones have
    all to teach. Weighing 1/(t+1) they would be learnt less with each task, weighing 1/2 the
    earliest tasks would be lost (docs/experiments.md).

    Args:
        x: `[B, ...]`.
        y: `[B, K]`.
        generate: draws the generated rows.
        tasks_seen: t >= 1, an integer.
        lacks_classes: whether there are classes that the task has no rows of.
    """
    rows, tasks = tf.shape(x)[0], tf.cast(tasks_seen, tf.float32) + 1
    new = 1 / tasks if lacks_classes else tf.math.rsqrt(tasks)
    each = 1.0 / tf.cast(rows, tf.float32)
    weight = tf.concat([tf.fill([rows], new * each), tf.fill([rows], (1 - new) * each)], 0)
    return _join(x, y, generate(rows), weight)


def mixed(
    x: tf.Tensor,
    y: tf.Tensor,
    generate: Generate,
    tasks_seen: tf.Tensor,
    *,
    lacks_classes: bool = True,
) -> Rows:
    """The mixed batch of the paper: of B rows, B t/(t+1) are generated, the first stay current.

    One mean over all rows. At least one row of each kind is kept when B > 1.

    Args:
        x: `[B, ...]`.
        y: `[B, K]`.
        generate: draws the generated rows.
        tasks_seen: t >= 1, an integer.
        lacks_classes: Not used; accepted so that every replay is called in the same way.
    """
    batch, seen = tf.shape(x)[0], tf.cast(tasks_seen, tf.float32)
    generated = tf.cast(seen / (seen + 1) * tf.cast(batch, tf.float32), tf.int32)
    kept = batch - generated
    weight = tf.fill([batch], 1.0 / tf.cast(batch, tf.float32))
    return _join(x[:kept], y[:kept], generate(generated), weight)


def generated_only(generated: Generated) -> Rows:
    """Generated rows in the place of current ones, as which they count: classes are forgotten."""
    return current_only(generated.x, generated.y)._replace(q_teacher=generated.q)


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
