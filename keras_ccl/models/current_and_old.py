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
"""At most so many rows of the current task, and as many of each earlier one, refit p(z)."""

MOST_OLD_SHARES = 5
"""Of more than so many earlier tasks the rows that refit p(z) are no more."""


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
    """Samples of q(z|x) of rows of the current task and of as many of each earlier one.

    Args:
        model: the student, its networks fixed.
        task: the task just learnt.

    Returns:
        z `[N, Z]`, integer labels `[N]`, and the weight `[N]` of each row: 1/(t+1) for the current
        rows together and t/(t+1) for the old ones.
    """
    x, y = task.train.some_rows(MEASURED_ROWS, seed=int(model.next_seed()[1]))
    z = model.sample_posteriors(x)
    seen = int(model.tasks_seen.numpy())
    old = model.method.old_rows(model, len(z) * min(max(seen, 1), MOST_OLD_SHARES))
    if old is None:
        return z, y, np.full(len(y), 1 / len(y))
    old_z = model.sample_posteriors(old[0])
    current, earlier = 1 / (seen + 1) / len(z), seen / (seen + 1) / len(old_z)
    weights = np.repeat([current, earlier], [len(z), len(old_z)])
    return np.concatenate([z, old_z]), np.concatenate([y, old[1]]), weights
