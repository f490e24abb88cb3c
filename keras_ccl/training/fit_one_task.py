"""fit_one_task: Keras's `fit`, whose rows are one task."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_ccl.data.byte_inputs import SAID_OF_BYTES
from keras_ccl.data.keras_rows import (
    BATCH,
    check_class_weight,
    check_executions,
    together,
    weigh_classes,
)
from keras_ccl.data.missing_labels import check_some_label
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import Split, as_split
from keras_ccl.data.validation import check_choice, check_positive, check_share
from keras_ccl.training import replicas
from keras_ccl.training.budgets import check_epochs
from keras_ccl.training.loss_guard import LossGuard
from keras_ccl.training.protocol import ContinualModel
from keras_ccl.training.task_callbacks import check_callbacks, tell


def fit_one_task(
    model: ContinualModel,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: Any = "auto",
    callbacks: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    class_weight: Mapping[Any, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: Any = 1,
) -> keras.callbacks.History:
    """Keras's `fit`: the rows are one task, which is counted when it is learnt.

    Fitting twice is learning two tasks; a task is learnt for longer by more epochs. As in Keras,
    and other than in `fit_tasks`, the optimizer keeps its state and its learning rate from one
    `fit` to the next, and the `val_` figures are over the validation rows alone.

    Args:
        model: the student, compiled.
        x: inputs `[N, *input_shape]`, or rows with labels in any form that `fit_tasks` takes.
        y: the labels of inputs, as in `fit_tasks`.
        batch_size: as in Keras, like all that follow but for what is said.
        epochs: of the task.
        verbose: Keras's own display.
        callbacks: of Keras.
        validation_split: share of arrays, the last rows.
        validation_data: rows with labels in any form.
        shuffle: arrays each epoch; other forms keep their order.
        class_weight: multiplied with the sample weights where there are both.
        sample_weight: `[N]`: rows weigh so in the bound.
        initial_epoch: as in Keras.
        steps_per_epoch: as in Keras.
        validation_steps: as in Keras.
        validation_batch_size: as in Keras.
        validation_freq: as in Keras.

    Returns:
        Keras's `History`, whose `params` also hold how many rows are `unlabelled`.

    Raises:
        TypeError, ValueError: for rows or options that do not fit, before any weight changes.
        FloatingPointError, RuntimeError: as in `fit_tasks`.
    """
    if not model.compiled:
        raise ValueError("fit: expected a compiled model; call compile(optimizer) first")
    given = keras.tree.flatten(callbacks or [])
    size = BATCH if batch_size is None else batch_size
    check_callbacks(given, None)
    check_positive("batch_size", size, integer=True)
    check_epochs(epochs, one_pass=model.one_pass)
    check_share("validation_split", validation_split)
    check_choice("shuffle", shuffle, (True, False))
    replicas.check(model)
    task = _as_task(
        model,
        together(x, y, sample_weight),
        validation_data,
        validation_split,
        batch_size=size,
        steps_per_epoch=steps_per_epoch,
        validation_steps=validation_steps,
    )
    spec = model.data_spec.with_labels(task.labels)
    by_class = check_class_weight(class_weight, spec.num_classes, spec.labels)
    if task.train.scaled and verbose:
        print(SAID_OF_BYTES)
    task = model.observed(task)
    model.begin_task(task)
    tell(given, "on_task_begin", model, task)
    guard, strategy = LossGuard(task), model.distribute_strategy
    with replicas.lost_worker_named(strategy, lambda: task.number), guard.watching(model):
        rows, steps = _epochs(model, task, size, shuffle, steps_per_epoch, initial_epoch)
        check_executions(model.steps_per_execution, steps, f"task {task.number}")
        held_out = task.validation and task.validation.batches(validation_batch_size or size)
        history = model.keras_fit(
            weigh_classes(rows, by_class),
            epochs=epochs,
            verbose=verbose,
            callbacks=[*given, guard],
            validation_data=held_out,
            shuffle=False,  # the rows come shuffled
            initial_epoch=initial_epoch,
            steps_per_epoch=steps,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
        )
    history.params["unlabelled"] = task.train.unlabelled
    model.end_task(task)
    tell(given, "on_task_end", model, task)
    return history


def _as_task(
    model: ContinualModel,
    rows: Any,
    validation_rows: Any,
    validation_split: float,
    *,
    batch_size: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
) -> ReadyTask:
    """The rows of a call of `fit`, checked, as the next task."""
    number, spec = int(model.tasks_seen.numpy()) + 1, model.data_spec
    where = f"task {number}, train"
    train = as_split(rows, spec, where, batch_size=batch_size, steps=steps_per_epoch, learns=True)
    spec = spec.with_names(train.names)
    held_out: Split | None = None
    if validation_rows is not None:
        where = f"task {number}, validation"
        held_out = as_split(
            validation_rows, spec, where, batch_size=batch_size, steps=validation_steps
        )
    elif validation_split:
        train, held_out = train.hold_out(validation_split)
    check_some_label(train, number)
    held = held_out and held_out.held()
    return ReadyTask(number, f"task {number}", train.held(), held, spec.labels)


def _epochs(
    model: ContinualModel,
    task: ReadyTask,
    batch_size: int,
    shuffle: bool,
    steps_per_epoch: int | None,
    first_epoch: int,
) -> tuple[tf.data.Dataset, int | None]:
    """The batches of the task, and the steps of an epoch, None where they end with it."""
    if shuffle:
        return task.train.training(
            batch_size,
            seed=model.next_seed(),
            steps_per_epoch=steps_per_epoch,
            first_epoch=first_epoch,
        )
    rows = task.train.batches(batch_size)
    return (rows, None) if steps_per_epoch is None else (rows.repeat(), steps_per_epoch)
