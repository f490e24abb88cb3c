"""How generated rows join current ones in a step, and what each weighs."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from keras_ccl.models.rows import Generated, Rows

Generate = Callable[[tf.Tensor], Generated]
"""A function of a number of rows that draws them."""


def balanced(x: tf.Tensor, y: tf.Tensor, generate: Generate, share_of_old: tf.Tensor) -> Rows:
    """B current and B generated rows, weighing 1 - share_of_old and share_of_old together.

    An epoch costs the same after any number of tasks.

    Args:
        x: `[B, ...]`.
        y: `[B, K]`.
        generate: draws the generated rows.
        share_of_old: a scalar in (0, 1).
    """
    rows = tf.shape(x)[0]
    each = 1.0 / tf.cast(rows, tf.float32)
    weight = tf.concat(
        [tf.fill([rows], (1 - share_of_old) * each), tf.fill([rows], share_of_old * each)], 0
    )
    return _join(x, y, generate(rows), weight)


def mixed(x: tf.Tensor, y: tf.Tensor, generate: Generate, share_of_old: tf.Tensor) -> Rows:
    """The mixed batch of the paper: of B rows, so many are generated, the first stay current.

    One mean over all rows. At least one row of each kind is kept when B > 1.

    Args:
        x: `[B, ...]`.
        y: `[B, K]`.
        generate: draws the generated rows.
        share_of_old: a scalar in (0, 1).
    """
    batch = tf.shape(x)[0]
    generated = tf.cast(share_of_old * tf.cast(batch, tf.float32), tf.int32)
    kept = batch - generated
    weight = tf.fill([batch], 1.0 / tf.cast(batch, tf.float32))
    return _join(x[:kept], y[:kept], generate(generated), weight)


def by_classes(current: int, old: int, tasks_seen: int) -> float:
    """The share of old rows where every class of a task weighs the same.

    Where each task brings classes of its own, those of all tasks weigh alike. Where every task has
    every class, current and old rows weigh alike, after any number of tasks: by tasks, the newest
    would have a share of the loss that vanishes, and would be learnt less well.

    Args:
        current: how many classes the current task has.
        old: how many classes the earlier tasks had together.
        tasks_seen: not used.
    """
    return old / (current + old)


def by_tasks(current: int, old: int, tasks_seen: int) -> float:
    """The share of old rows where every task weighs the same, t/(t+1), as in the paper.

    Args:
        current: not used.
        old: not used.
        tasks_seen: t, how many tasks are finished.
    """
    return tasks_seen / (tasks_seen + 1)


class Replay(NamedTuple):
    """One of the ways to replay: how the rows join, and what share of the mean the old ones are."""

    join: Callable[..., Rows]
    share_of_old: Callable[[int, int, int], float]


REPLAYS = {"balanced": Replay(balanced, by_classes), "mixed": Replay(mixed, by_tasks)}
"""By the name that the option `replay` takes."""


def _join(x: tf.Tensor, y: tf.Tensor, generated: Generated, weight: tf.Tensor) -> Rows:
    return Rows(
        x=tf.concat([x, generated.x], 0),
        y=tf.concat([y, generated.y], 0),
        weight=weight,
        current=tf.shape(x)[0],
        q_teacher=generated.q,
    )
