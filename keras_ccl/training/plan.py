"""Plan: what a call of `fit_tasks` is to do, checked whole before anything changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_ccl.data.keras_rows import check_class_weight, check_executions
from keras_ccl.data.ready_tasks import CheckedTask, ReadyTask, checked_tasks, earlier_tasks
from keras_ccl.data.tasks import Task, as_stream
from keras_ccl.data.validation import check_choice, check_positive, check_share
from keras_ccl.training import optimizer, replicas
from keras_ccl.training.budgets import Budget, batch_size_for, budget_for, check_epochs
from keras_ccl.training.progress import VERBOSITIES
from keras_ccl.training.protocol import ContinualModel


@dataclass(frozen=True)
class Plan:
    """Tasks and settings that fit the model. The attributes are the arguments of `fit_tasks`.

    Attributes:
        class_weight: one number per class; where classes have names, by name; or None.
        earlier: the tasks learnt before, if they were given again.
        first_number: the number of the first task, counted over the life of the model.
        of_features: whether there is a backbone, whose features the model learns.
    """

    tasks: list[CheckedTask]
    earlier: list[CheckedTask]
    first_number: int
    of_features: bool
    epochs: list[int | None]
    batch_size: int | None
    steps_per_epoch: int | None
    validation_split: float
    class_weight: list[float] | Mapping[Any, float] | None
    optimizer_state: str
    learning_rate_decay: str | None
    keep_last: int
    save_every: int
    verbose: Any

    @classmethod
    def checked(
        cls,
        model: ContinualModel,
        tasks: Any,
        *,
        epochs: int | Sequence[int | None] | None,
        class_weight: Mapping[Any, float] | None,
        earlier: Sequence[Task | None] = (),
        **settings: Any,
    ) -> Plan:
        """Refuse what does not fit: every refusal of `fit_tasks` that needs no file is here.

        Args:
            model: the student.
            tasks: as in `fit_tasks`.
            epochs: as in `fit_tasks`.
            class_weight: as in `fit_tasks`.
            earlier: as in `fit_tasks`.
            **settings: the other settings of `fit_tasks`.

        Raises:
            TypeError, ValueError: with the number of the task, what was expected and what came.
        """
        stream, first = as_stream(tasks), int(model.tasks_seen.numpy()) + 1
        each = _epochs_by_task(epochs, len(stream), one_pass=model.one_pass)
        _check_settings(**settings)
        reading = {name: settings[name] for name in ("steps_per_epoch", "validation_split")}
        if settings["batch_size"] is not None:
            reading["batch_size"] = settings["batch_size"]
        found = checked_tasks(stream, model.data_spec, first_number=first, **reading)
        last, labels = found[-1], found[-1].spec.labels
        by_class = check_class_weight(
            class_weight, model.data_spec.num_classes, labels, later=last.is_unread
        )
        again = earlier_tasks(earlier, model.data_spec, seen=first - 1)
        replicas.check(model)
        for task in found:
            steps = task.known_steps(lambda rows: settings["batch_size"] or batch_size_for(rows))
            check_executions(model.steps_per_execution, steps, f"task {task.number}")
        return cls(
            tasks=found,
            earlier=again,
            first_number=first,
            of_features=model.backbone is not None,
            epochs=each,
            class_weight=by_class if labels is None else class_weight,
            **settings,
        )

    @property
    def names(self) -> list[str]:
        """Names of the tasks."""
        return [task.name for task in self.tasks]

    def weight_by_class(self, task: ReadyTask) -> list[float] | None:
        """The weight of each class so far; None where there are no weights."""
        if self.class_weight is None or isinstance(self.class_weight, list):
            return self.class_weight
        assert task.labels is not None
        return task.labels.weights(self.class_weight, later=True)

    def budget(self, task: ReadyTask) -> Budget:
        """Epochs and batch size of a task: as named in the call, else as its rows ask for."""
        return budget_for(
            task.train,
            epochs=self.epochs[task.number - self.first_number],
            batch_size=self.batch_size,
            of_features=self.of_features,
            steps_per_epoch=self.steps_per_epoch,
        )

    def chosen(self, task: ReadyTask) -> list[str]:
        """What of the budget of a task follows from its rows, such as "epochs=60"."""
        budget = self.budget(task)
        named = {
            "epochs": self.epochs[task.number - self.first_number],
            "batch_size": self.batch_size or task.train.own_batch,
        }
        return [f"{name}={value}" for name, value in budget._asdict().items() if not named[name]]

    def settings(self) -> dict[str, Any]:
        """What the result depends on beside model and data, for histories and checkpoints."""
        weights = self.class_weight
        if isinstance(weights, Mapping):
            weights = {str(name): float(weight) for name, weight in weights.items()}
        return {
            "batch_size": self.batch_size,
            "steps_per_epoch": self.steps_per_epoch,
            "validation_split": self.validation_split,
            "class_weight": weights,
            "optimizer_state": self.optimizer_state,
            "learning_rate_decay": self.learning_rate_decay,
            "epochs": self.epochs,
        }


def _epochs_by_task(
    epochs: int | Sequence[int | None] | None, tasks: int, *, one_pass: bool
) -> list[int | None]:
    each = list(epochs) if isinstance(epochs, Sequence) else [epochs] * tasks
    if len(each) != tasks:
        raise ValueError(f"epochs: expected one number per task, {tasks}; received {len(each)}")
    for number in each:
        if number is not None:
            check_epochs(number, one_pass=one_pass)
    return [1] * tasks if one_pass else each


def _check_settings(
    *,
    batch_size: int | None,
    steps_per_epoch: int | None,
    validation_split: float,
    optimizer_state: str,
    learning_rate_decay: str | None,
    keep_last: int,
    save_every: int,
    verbose: Any,
) -> None:
    if batch_size is not None:
        check_positive("batch_size", batch_size, integer=True)
    if steps_per_epoch is not None:
        check_positive("steps_per_epoch", steps_per_epoch, integer=True)
    check_share("validation_split", validation_split)
    check_choice("optimizer_state", optimizer_state, optimizer.OPTIMIZER_STATES)
    check_choice("learning_rate_decay", learning_rate_decay, optimizer.DECAYS)
    check_choice("verbose", verbose, VERBOSITIES)
    check_positive("keep_last", keep_last, integer=True)
    check_positive("save_every", save_every, integer=True)
