"""Rows without a label, where other rows of the task have one: what the model says of them.

Of such a row it is known that it is of the task, so of one of the classes of the task. Among these
few the model soon tells rows apart, and its own answer stands for the label that is missing. What
an answer is worth shows nearby: on the same row moved a little towards the class that is second, it
should still be given. That is learnt too, for rows with a label as well. Such rows come more often
than others, and count less each time (`keras_ccl.data.label_repeats`).

A model that has learnt other tasks may come to take all rows of one class for another, and its own
answers keep it there. So no class may be answered far less often than it is a label.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import tensorflow as tf

from keras_ccl.bounds import distributions
from keras_ccl.bounds.objectives import has_label
from keras_ccl.data.answered_split import AnsweredSplit
from keras_ccl.data.array_split import ArraySplit
from keras_ccl.models.rows import Rows
from keras_ccl.training import replicas

if TYPE_CHECKING:
    from tensorflow_probability import distributions as tfd

    from keras_ccl.data.ready_tasks import ReadyTask
    from keras_ccl.data.splits import Split
    from keras_ccl.models.joint_vae import JointVAE

REACH = 0.25
"""How far a row is moved, as a share of the distance of rows from their mean."""

ENOUGH = 0.5
"""A class is answered often enough at this share of how often it is a label."""

DEVIATIONS = 2.0
"""Or so many standard deviations below that: by chance a batch has few rows of a class."""

SELDOM = 1e-6
"""A mean answer is taken to be no less than this."""

NOT_AMONG = -1e9
"""Added to the logits of classes that a row cannot be of."""


class Labelling(NamedTuple):
    """What is known of the labels of a task where some rows have none.

    Attributes:
        rows_per_label: how many rows there are for each label.
        labels: how many labels each class has, by class; none where more rows may come.
    """

    rows_per_label: float
    labels: tuple[int, ...]


def begin_task(model: JointVAE, task: ReadyTask) -> Labelling | None:
    """Tell the classes of a task that begins where they are needed from the first step on.

    Args:
        model: the student.
        task: the task, or the rows of it that came so far.

    Returns:
        What is known of its labels; None where all rows have one, or none has.
    """
    rows, counts = task.train.rows, task.train.label_counts
    labelled = counts.total()
    is_partly = 0 < labelled < rows
    known = counts if is_partly else ()
    met = np.array([k in known for k in range(model.num_classes)], np.float32)
    if task.continues:
        met = np.maximum(met, model.task_classes.numpy())
    model.task_classes.assign(met)
    if not is_partly:
        return None
    labels = tuple(counts[k] for k in range(len(met))) if task.complete else ()
    return Labelling(rows / labelled, labels)


def repeated(task: ReadyTask) -> ReadyTask:
    """The same task; its train rows with a label come more often where they are few.

    What a batch of a dataset holds is left to its maker.
    """
    if not isinstance(task.train, ArraySplit):
        return task
    return dataclasses.replace(task, train=task.train.repeating_labels())


def with_own_labels(model: JointVAE, rows: Rows, labelling: Labelling | None) -> Rows:
    """The rows of a step, those without a label labelled by the model.

    A label counts for as many rows as there are to a label.

    Args:
        model: the student.
        rows: of the step, of whose current rows some have no label: `y` is 0.
        labelling: of the task, from `begin_task`.

    Returns:
        Rows with `label_weight`, `nearby` and `pull`; where there is no `labelling`, as they were.
    """
    if labelling is None:
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
    answers = tf.nn.softmax(among)
    own = tf.where(labelled[:, tf.newaxis], y, answers)
    lacking = tf.where(labelled, 0.0, rows.weight[: rows.current])
    counts = tf.where(labelled, labelling.rows_per_label, 1.0)
    return rows._replace(
        y=tf.concat([own, generated], 0),
        label_weight=tf.concat([counts, tf.ones_like(generated[:, 0])], 0),
        nearby=nearby,
        pull=_pull(labelling.labels, answers, lacking),
    )


def label_term(
    model: JointVAE, rows: Rows, classification: tf.Tensor, q: tfd.Distribution
) -> tf.Tensor:
    """The label term of each row, weighed, and -log p(y|y in C, x') of current ones.

    C are the classes of the task, x' is the row moved nearby. Rows without a label are pulled
    towards classes that are answered too seldom.

    Args:
        model: the student.
        rows: from `with_own_labels`.
        classification: -log p(y|x) of each, `[N]`.
        q: the posteriors of all rows.

    Returns:
        `[N]`, nats; `classification` where all rows of the task have a label, or none has.
    """
    if rows.label_weight is None:
        return classification
    only = _only(model.task_classes)
    among = _logits_at(model, rows.nearby, training=True) + only
    y = rows.y[: rows.current]
    nearby = -tf.reduce_sum(y * tf.nn.log_softmax(among), 1)
    logits = model.classify(q.mean()[: rows.current], training=True).logits_parameter()
    pulled = -tf.reduce_sum(rows.pull * tf.nn.softmax(logits + only), 1)
    generated = tf.zeros_like(rows.weight[rows.current :])
    return rows.label_weight * classification + tf.concat([nearby + pulled, generated], 0)


def _logits_at(model: JointVAE, seen: tf.Tensor, training: bool = False) -> tf.Tensor:
    """Logits `[B, K]` of p(y|x) at the posterior mean, of x as the encoder sees it."""
    q = distributions.posterior(model.encoder(seen, training=training))
    return model.classify(q.mean(), training).logits_parameter()


def _only(classes: Any) -> tf.Tensor:
    """0 for the classes, `[K]`, and what no other logit outweighs for the others."""
    return tf.where(tf.convert_to_tensor(classes) > 0, 0.0, NOT_AMONG)


def _pull(labels: tuple[int, ...], answers: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """What the answer of each class is worth to each row, `[B, K]`.

    Let m_k be the mean answer to rows without a label, s_k the share of class k among the labels
    and e_k what is enough. The slope of sum_k s_k max(0, log(e_k / m_k)) in m_k is -s_k / m_k where
    m_k < e_k, and 0 elsewhere.

    Args:
        labels: how many each class has; none where that is not known.
        answers: p(y|x, y in C), `[B, K]`.
        weight: of each row in the mean, `[B]`; 0 where it has a label.
    """
    if not labels:
        return tf.zeros_like(answers)
    share = tf.constant(np.divide(labels, sum(labels)), tf.float32)
    rows = replicas.over_replicas(tf.math.count_nonzero(weight, dtype=tf.float32))
    sums = replicas.over_replicas(tf.linalg.matvec(answers, weight, transpose_a=True))
    mean = tf.math.divide_no_nan(sums, replicas.over_replicas(tf.reduce_sum(weight)))
    chance = tf.sqrt(share * (1 - share) * (1 / tf.maximum(rows, 1.0) + 1 / sum(labels)))
    enough = tf.minimum(ENOUGH * share, share - DEVIATIONS * chance)
    pull = tf.where(mean < enough, share / tf.maximum(mean, SELDOM), 0.0)
    return tf.where(weight[:, tf.newaxis] > 0, pull, 0.0)


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
