"""Rows without a label, where other rows of the task have one: what the model says of them.

Of such a row it is known that it is of the task, so of one of the classes of the task. Among these
few the model soon tells rows apart, and its own answer stands for the label that is missing. What
an answer is worth shows nearby: on the same row moved a little towards the class that is second, it
should still be given. That is learnt too, for rows with a label as well. Such rows come more often
than others, and count less each time (`keras_ccl.data.label_repeats`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import tensorflow as tf

from keras_ccl.bounds import distributions
from keras_ccl.bounds.objectives import has_label
from keras_ccl.data.answered_split import AnsweredSplit
from keras_ccl.data.array_split import ArraySplit
from keras_ccl.models.rows import Rows
from keras_ccl.training import replicas

if TYPE_CHECKING:
    from keras_ccl.data.ready_tasks import ReadyTask
    from keras_ccl.data.splits import Split
    from keras_ccl.models.joint_vae import JointVAE

REACH = 0.25
"""How far a row is moved, as a share of the distance of rows from their mean."""

NOT_AMONG = -1e9
"""Added to the logits of classes that a row cannot be of."""


def begin_task(model: JointVAE, task: ReadyTask) -> float | None:
    """Tell the classes of a task that begins where they are needed from the first step on.

    Args:
        model: the student.
        task: the task, or the rows of it that came so far.

    Returns:
        How many rows there are for each label; None where all have one, or none has.
    """
    train = task.train
    labelled = train.rows - train.unlabelled
    is_partly = 0 < labelled < train.rows
    known = train.classes if is_partly else ()
    met = np.array([k in known for k in range(model.num_classes)], np.float32)
    if task.continues:
        met = np.maximum(met, model.task_classes.numpy())
    model.task_classes.assign(met)
    return train.rows / labelled if is_partly else None


def repeated(task: ReadyTask) -> ReadyTask:
    """The same task; its train rows with a label come more often where they are few.

    What a batch of a dataset holds is left to its maker.
    """
    if not isinstance(task.train, ArraySplit):
        return task
    return dataclasses.replace(task, train=task.train.repeating_labels())


def with_own_labels(model: JointVAE, rows: Rows, per_label: float | None) -> Rows:
    """The rows of a step, those without a label labelled by the model.

    A label counts for as many rows as there are to a label.

    Args:
        model: the student.
        rows: of the step, of whose current rows some have no label: `y` is 0.
        per_label: of the task, from `begin_task`.

    Returns:
        Rows with `label_weight` and `nearby`; where there is no `per_label`, as they were.
    """
    if per_label is None:
        return rows
    seen = model.for_encoder(rows.x[: rows.current])
    with tf.GradientTape() as tape:
        tape.watch(seen)
        among = _logits_at(model, seen) + _only(model.task_classes)
        margin = tf.reduce_sum(_first_before_second(among))
    slope = tape.gradient(margin, seen, unconnected_gradients="zero")
    batch = replicas.over_replicas(tf.cast(rows.current, tf.float32))
    nearby = seen - _distance(seen, batch) * _unit(slope)
    y, generated = rows.y[: rows.current], rows.y[rows.current :]
    labelled = has_label(y) > 0
    own = tf.where(labelled[:, tf.newaxis], y, tf.nn.softmax(among))
    counts = tf.where(labelled, per_label, 1.0)
    return rows._replace(
        y=tf.concat([own, generated], 0),
        label_weight=tf.concat([counts, tf.ones_like(generated[:, 0])], 0),
        nearby=nearby,
    )


def label_term(model: JointVAE, rows: Rows, classification: tf.Tensor) -> tf.Tensor:
    """The label term of each row, weighed, and -log p(y|y in C, x') of current ones.

    C are the classes of the task, x' is the row moved nearby.

    Args:
        model: the student.
        rows: from `with_own_labels`.
        classification: -log p(y|x) of each, `[N]`.

    Returns:
        `[N]`, nats; `classification` where all rows of the task have a label, or none has.
    """
    if rows.label_weight is None:
        return classification
    among = _logits_at(model, rows.nearby, training=True) + _only(model.task_classes)
    y = rows.y[: rows.current]
    term = -tf.reduce_sum(y * tf.nn.log_softmax(among), 1)
    nearby = tf.concat([term, tf.zeros_like(rows.weight[rows.current :])], 0)
    return rows.label_weight * classification + nearby


def _logits_at(model: JointVAE, seen: tf.Tensor, training: bool = False) -> tf.Tensor:
    """Logits `[B, K]` of p(y|x) at the posterior mean, of x as the encoder sees it."""
    q = distributions.posterior(model.encoder(seen, training=training))
    return model.classify(q.mean(), training).logits_parameter()


def _only(classes: Any) -> tf.Tensor:
    """0 for the classes, `[K]`, and what no other logit outweighs for the others."""
    return tf.where(tf.convert_to_tensor(classes) > 0, 0.0, NOT_AMONG)


def _first_before_second(logits: tf.Tensor) -> tf.Tensor:
    """How far the most likely class is before the second, `[B]`."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    first, second = tf.unstack(tf.math.top_k(logits, 2).values, axis=1)
    return first - second


def _distance(seen: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """How far rows are moved, a scalar: `REACH` of their distance from the mean of all replicas.

    Args:
        seen: `[B, ...]`.
        rows: how many there are on all replicas, a float.
    """
    mean = replicas.over_replicas(tf.reduce_sum(seen, 0)) / rows
    squares = replicas.over_replicas(tf.reduce_sum(tf.square(seen))) / rows
    return REACH * tf.sqrt(tf.nn.relu(squares - tf.reduce_sum(tf.square(mean))))


def _unit(directions: tf.Tensor) -> tf.Tensor:
    """Each row `[B, ...]` with length 1; 0 where it has none."""
    flat = tf.reshape(directions, [tf.shape(directions)[0], -1])
    return tf.reshape(tf.math.l2_normalize(flat, 1), tf.shape(directions))


def answered(model: JointVAE, task: ReadyTask) -> ReadyTask:
    """A task just learnt, each of whose train rows has a label: its own, or the model's answer.

    The answer is among the classes of the task, or where no row had a label among all classes.

    Args:
        model: the student.
        task: the task, whose rows are as `observe` gives them.
    """
    if not task.train.unlabelled:
        return task
    classes = model.task_classes if task.train.classes else tf.ones([model.num_classes])

    @tf.function(
        input_signature=[tf.TensorSpec((None, *model.observed_shape), tf.float32)], autograph=False
    )
    def answer(x: tf.Tensor) -> tf.Tensor:
        among = _logits_at(model, model.for_encoder(x)) + _only(classes)
        return tf.argmax(among, 1, tf.int32)

    return dataclasses.replace(task, train=cast("Split", AnsweredSplit(task.train, answer)))
