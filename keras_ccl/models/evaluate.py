"""evaluate: what a model answers on the test rows of tasks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_ccl.data.missing_labels import UNLABELLED
from keras_ccl.data.ready_tasks import CheckedTask
from keras_ccl.data.splits import Split, measured_batches
from keras_ccl.data.streams import Task, TaskStream
from keras_ccl.data.validation import check_rows
from keras_ccl.models.evidence import Evidence, tempered
from keras_ccl.models.keras_training import KerasTraining
from keras_ccl.results.evaluation import Evaluation
from keras_ccl.training.evaluation import measure_split


def evaluate(
    model: KerasTraining, tasks: Any, *, unfamiliar: np.ndarray | None = None
) -> Evaluation:
    """Measure a model on the test rows of tasks: accuracy, confusion, certainty, familiarity.

    Only test rows are read, those without a label left out, and the model stays as it is. The
    probabilities of a calibrated model are those of `identify`, of any other those of `predict`.

    Args:
        model: A model that has learnt tasks, or a head in closed form.
        tasks: A `TaskStream`, a list of `Task`s, or one `Task`; anything with `test` rows, such as
            what `datasets.load` returns, is a task too.
        unfamiliar: Inputs `[M, *input_shape]` that are like nothing learnt, to measure whether
            the model tells so.

    Returns:
        What was measured, with `table()`, `to_json()` and `plot()`.

    Raises:
        TypeError: If `model` is none of this library, or there is something other than a task.
        ValueError: If a task has no test rows with labels, or rows that do not fit; for
            `unfamiliar` rows and a model that knows no p(x).
    """
    if not isinstance(model, KerasTraining):
        raise TypeError(
            "evaluate: expected a model of keras_ccl, such as CCLGM, received "
            f"{type(model).__name__}"
        )
    checked, spec = _with_test_rows(tasks, model), model.data_spec
    far = None if unfamiliar is None else _familiarity(model, unfamiliar)
    measured, evidence, labels = [], [], []
    for task in checked:
        split = task.test_split(spec)
        assert split is not None
        measured.append(measure_split(model, split))
        of_task, y = _evidence_of(model, split)
        if not len(y):
            raise ValueError(f"{split.where}: expected a row with a label, received none")
        evidence.append(of_task)
        labels.append(y)
    logits, familiarity = _joined(evidence)
    calibration = model.calibration
    return Evaluation(
        method=model.method_name,
        seed=model.seed,
        tasks_seen=int(model.tasks_seen.numpy()),
        task_names=tuple(task.name for task in checked),
        class_names=tuple(model.class_names),
        accuracy=np.array([accuracy for accuracy, _ in measured]),
        negative_elbo=np.array([nats for _, nats in measured]),
        task=np.repeat(np.arange(len(labels)), [len(y) for y in labels]),
        labels=np.concatenate(labels),
        probabilities=tempered(logits, calibration.temperature if calibration else 1.0),
        familiarity=familiarity,
        unfamiliar=far,
        temperature=calibration.temperature if calibration else None,
        threshold=calibration.threshold if calibration else None,
    )


def _with_test_rows(tasks: Any, model: KerasTraining) -> list[CheckedTask]:
    """The tasks that a user passed, of which nothing but the test rows is left."""
    given = tasks if isinstance(tasks, TaskStream | list | tuple) else [tasks]
    if not len(given):
        raise ValueError("evaluate: expected at least one task, received none")
    for number, task in enumerate(given, start=1):
        if not hasattr(task, "test"):
            raise TypeError(
                f"evaluate, task {number}: expected Task(train, test=...), of which only the test "
                f"rows are read; received {type(task).__name__}"
            )
        if task.test is None:
            raise ValueError(f"evaluate, task {number}: expected test rows, received None")
    tested = [Task(None, test=task.test, name=getattr(task, "name", None)) for task in given]
    return [CheckedTask(task, k, model.data_spec) for k, task in enumerate(tested, start=1)]


def _familiarity(model: KerasTraining, x: np.ndarray) -> np.ndarray:
    x, _ = check_rows(x, np.zeros(len(x), int), model.data_spec.of_indices, "unfamiliar")
    if not len(x):
        raise ValueError("unfamiliar: expected at least one row, received none")
    found = model.evidence(x).familiarity
    if found is None:
        raise ValueError(
            f"unfamiliar: expected a model that knows p(x), received {model.method_name}, a head "
            "in closed form"
        )
    return found


def _evidence_of(model: KerasTraining, split: Split) -> tuple[Evidence, np.ndarray]:
    """What the model has to say of the rows that have a label, and their labels."""
    found, labels = [], []
    for x, y in ((x.numpy(), y.numpy()) for x, y, *_ in measured_batches(split)):
        known = y != UNLABELLED
        found.append(model.evidence(x[known]))
        labels.append(y[known])
    return _joined(found), np.concatenate(labels)


def _joined(parts: Sequence[Evidence]) -> Evidence:
    logits = np.concatenate([part.logits for part in parts])
    known = [part.familiarity for part in parts if part.familiarity is not None]
    return Evidence(logits, np.concatenate(known) if known else None)
