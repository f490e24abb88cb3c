"""fit_jointly: the upper bound of continual learning, and not continual itself."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.ready_tasks import CheckedTask, checked_tasks
from keras_ccl.data.tasks import Task, TaskStream, as_stream
from keras_ccl.results.history import TaskHistory
from keras_ccl.training.evaluation import evaluate_tasks
from keras_ccl.training.fit_tasks import fit_tasks
from keras_ccl.training.protocol import ContinualModel


def fit_jointly(
    make_model: Callable[[], ContinualModel],
    tasks: Any,
    *,
    checkpoint_dir: str | os.PathLike | None = None,
    **options: Any,
) -> tuple[ContinualModel, TaskHistory]:
    """Learn tasks 1 to k at once with a new model, for every k: **not continual learning**.

    It keeps and reads the data of every earlier task, and is here to say how good the model could
    be if that were allowed.

    Args:
        make_model: a function without arguments that returns a new `JointVAE`.
        tasks: as in `fit_tasks`; the train rows must be arrays.
        checkpoint_dir: as in `fit_tasks`; each k has a folder of its own in it.
        **options: of `fit_tasks`; an epoch is one over all rows of tasks 1 to k.

    Returns:
        The last model and a `TaskHistory` whose method is "joint training (not continual)".

    Raises:
        TypeError: for train rows that are not arrays.
    """
    stream = as_stream(tasks)
    model = make_model()
    measured = checked_tasks(stream, model.data_spec)
    history = TaskHistory(method="joint training (not continual)")
    for k in range(1, len(stream) + 1):
        model = model if k == 1 else make_model()
        together = Task(_all_rows(measured[:k]), name=f"tasks 1 to {k} at once")
        folder = None if checkpoint_dir is None else Path(checkpoint_dir) / f"tasks-1-to-{k}"
        record = fit_tasks(model, TaskStream([together]), checkpoint_dir=folder, **options)
        history.options, history.seed = record.options, record.seed
        row = evaluate_tasks(model, measured[:k])
        history.append(measured[k - 1].name, *row, record.epochs[0], record.unlabelled[0])
    return model, history


def _all_rows(tasks: Sequence[CheckedTask]) -> tuple[np.ndarray, np.ndarray]:
    splits: list[ArraySplit] = []
    for task in tasks:
        split = task.ready().train
        if not isinstance(split, ArraySplit) or split.weight is not None:
            raise TypeError(f"task {task.number}, train: expected arrays (x, y), unweighted")
        splits.append(split)
    return np.concatenate([s.x for s in splits]), np.concatenate([s.labels for s in splits])
