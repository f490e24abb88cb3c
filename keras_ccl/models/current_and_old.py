"""Rows of the current task beside old ones, which stand for the earlier tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from keras_ccl.data.ready_tasks import ReadyTask
    from keras_ccl.data.splits import Split
    from keras_ccl.models.joint_vae import JointVAE

MEASURED_ROWS = 20_000
"""At most so many rows of the current task, and as many old ones, refit p(z)."""


def validation_rows(model: JointVAE, split: Split, batch_size: int) -> tf.data.Dataset:
    """Held-out rows of the current task, and old rows that together weigh t times as much.

    Args:
        model: the student.
        split: the held-out rows.
        batch_size: rows per batch.

    Returns:
        A dataset of (x, y, weight); the weights average 1 where the held-out rows weigh the same.
    """
    seen, rows = int(model.tasks_seen.numpy()), split.rows
    old = model.method.old_rows(model, min(rows, MEASURED_ROWS))
    added = 0 if old is None else len(old[1])
    each = (rows + added) / (rows * (1 + seen)) if added else 1.0

    def weighed(x: tf.Tensor, y: tf.Tensor, *weight: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return x, y, each * (weight[0] if weight else tf.ones_like(y, tf.float32))

    held_out = split.batches(batch_size).map(weighed)
    if old is None:
        return held_out
    weight = np.full(added, each * seen * rows / added, np.float32)
    rows_ = tf.data.Dataset.from_tensor_slices((*old, weight)).batch(batch_size)
    return held_out.concatenate(rows_)


def posterior_samples(
    model: JointVAE, task: ReadyTask
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples of q(z|x) of rows of the current task and of as many old ones.

    Args:
        model: the student, its networks fixed.
        task: the task just learnt.

    Returns:
        z `[N, Z]`, integer labels `[N]`, and the weight `[N]` of each row: 1/(t+1) for the current
        rows together and t/(t+1) for the old ones.
    """
    x, y = task.train.some_rows(MEASURED_ROWS, seed=int(model.next_seed()[1]))
    z = model.sample_posteriors(x)
    old = model.method.old_rows(model, len(z))
    if old is None:
        return z, y, np.full(len(y), 1 / len(y))
    seen = int(model.tasks_seen.numpy())
    old_z = model.sample_posteriors(old[0])
    weights = np.repeat([1 / (seen + 1), seen / (seen + 1)], len(z)) / len(z)
    return np.concatenate([z, old_z]), np.concatenate([y, old[1]]), weights
