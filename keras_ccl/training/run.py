"""Run: a plan under way, with its display, its guard, its checkpoints and its workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from keras_ccl.checkpointing.checkpoints import open_checkpoints
from keras_ccl.checkpointing.saving_callback import EpochLogs
from keras_ccl.data.byte_inputs import SAID_OF_BYTES
from keras_ccl.data.keras_rows import check_executions, weigh_classes
from keras_ccl.data.ready_tasks import CheckedTask, ReadyTask
from keras_ccl.results.history import TaskHistory
from keras_ccl.training import optimizer, replicas
from keras_ccl.training.budgets import Budget
from keras_ccl.training.loss_guard import LossGuard
from keras_ccl.training.plan import Plan
from keras_ccl.training.progress import StreamProgress
from keras_ccl.training.protocol import ContinualModel
from keras_ccl.training.task_callbacks import TaskCallbacks, check_callbacks


class Run:
    """What surrounds the learning of tasks. Use it as a context.

    Args:
        model: the student; compiled with Adam if it is not yet.
        plan: what is to be done.
        callbacks: the user's.
        checkpoint_dir: where to save to and to go on from, or None.

    Attributes:
        history: the `TaskHistory` so far.
    """

    def __init__(
        self,
        model: ContinualModel,
        plan: Plan,
        *,
        callbacks: Any,
        checkpoint_dir: Any,
    ) -> None:
        self._model, self._plan = model, plan
        self._callbacks = TaskCallbacks(callbacks, model)
        check_callbacks(self._callbacks.given, checkpoint_dir)
        self._decays = optimizer.decays_beside(self._callbacks.given, plan.learning_rate_decay)
        strategy = model.distribute_strategy
        chief = replicas.is_chief(strategy)
        optimizer.compile_with_adam(model)
        if checkpoint_dir is not None:
            optimizer.build_optimizer(model)
        self._checkpoints = open_checkpoints(
            model,
            checkpoint_dir,
            keep_last=plan.keep_last,
            save_every=plan.save_every,
            writes=chief,
            alone=not replicas.has_workers(strategy),
            callbacks=self._callbacks.kept,
            tasks=plan.tasks,
            earlier=plan.earlier,
            stream={"tasks": plan.names, "tasks_before": plan.first_number - 1},
            fit_tasks=plan.settings(),
        )
        self._position = self._checkpoints.resume(model)
        self.history = self._position.history or TaskHistory(
            method=model.method_name,
            options={**model.options(), **plan.settings()},
            seed=model.seed,
            tasks_before=plan.first_number - 1,
        )
        model.task_history = self.history  # there too if an error ends the run
        self._progress = StreamProgress(
            names=plan.names,
            first_task=plan.first_number,
            verbose=plan.verbose if chief else 0,
        )
        self._contexts = contextlib.ExitStack()

    def __enter__(self) -> Run:
        number = lambda: self._plan.first_number + self._progress.task  # noqa: E731
        strategy = self._model.distribute_strategy
        self._contexts.enter_context(self._progress)
        self._contexts.callback(self._callbacks.close)
        self._contexts.enter_context(replicas.lost_worker_named(strategy, number))
        self._contexts.enter_context(self._checkpoints.in_use())
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        return self._contexts.__exit__(*exception)

    def remaining_tasks(self) -> Iterator[ReadyTask]:
        """The tasks that are not finished yet, as the model sees them, each when it is reached."""
        for task in self._plan.tasks[self._position.task :]:
            ready = task.ready(self._model.data_spec)
            self._checkpoints.note_start(self._model)
            yield self._model.observed(ready)

    def fit(self, task: ReadyTask) -> None:
        """Keras's `fit` on one task, from the epoch where it stopped, if it did."""
        model, plan, index = self._model, self._plan, task.number - self._plan.first_number
        resumes = index == self._position.task
        first_epoch, done = self._position[1:3] if resumes else (0, 0)
        if plan.optimizer_state == "reset":
            optimizer.reset_optimizer(model)
        budget = plan.budget(task)
        self._record_budget(index, budget)
        self._progress.start_task(index, first_epoch, budget.epochs)
        chosen = plan.chosen(task)
        if chosen:
            self._progress.say_once(f"chosen for {task.train.rows} rows: {', '.join(chosen)}")
        if task.train.scaled:
            self._progress.say_once(SAID_OF_BYTES)
        if task.train.unlabelled:
            missing = f"{task.train.unlabelled} of {task.train.rows} rows have no label"
            self._progress.say_once(f"task {task.number}: {missing}")
        self._logs = EpochLogs()
        decay = self._decay(task, budget)
        shown = self._callbacks.begin_task(task, self.history, self._logs, first_epoch)
        guard = LossGuard(task)
        callbacks = self._checkpoints.with_saving(
            [*decay, *self._callbacks.kept, self._logs],
            told=[*decay, *shown, self._logs],
            others=[guard, self._progress],
            task=index,
            history=self.history,
        )
        with guard.watching(model), optimizer.learning_rate_kept(model.optimizer):
            rows, steps = task.train.training(
                budget.batch_size,
                seed=model.next_seed(),
                steps_per_epoch=plan.steps_per_epoch,
                first_epoch=done,
            )
            check_executions(model.steps_per_execution, steps, f"task {task.number}")
            held_out = task.validation and model.validation_rows(task.validation, budget.batch_size)
            if task.validation is not None:
                task.validation.make_passes(done)
            model.keras_fit(
                weigh_classes(rows, plan.weight_by_class(task)),
                initial_epoch=first_epoch,
                epochs=budget.epochs,
                steps_per_epoch=steps,
                validation_data=held_out,
                callbacks=callbacks,
                shuffle=False,  # the rows come shuffled
                verbose=int(self._callbacks.have_a_bar),
            )
        learnt = max(map(len, self._logs.epochs.values()), default=0)
        for split in (task.train, task.validation):
            if split is not None:
                split.note_passes(learnt - done)

    def tasks_so_far(self, task: ReadyTask) -> list[CheckedTask]:
        """The tasks up to this one: of the plan, and those before it that were given again."""
        learnt = self._plan.tasks[: task.number - self._plan.first_number + 1]
        return [*self._plan.earlier, *learnt]

    def record(self, task: ReadyTask, row: tuple[list[float], list[float]]) -> None:
        """Add a row of R to the history, and save.

        Args:
            task: the task just learnt.
            row: accuracy and negative ELBO of each task so far.
        """
        epochs = self._logs.without_task()
        self.history.append(task.name, *row, epochs, task.train.unlabelled)
        self._callbacks.end_task(task)
        index = task.number - self._plan.first_number
        self._checkpoints.task_done(self._model, index, self.history)

    def _decay(self, task: ReadyTask, budget: Budget) -> list[keras.callbacks.Callback]:
        if not self._decays:
            return []
        steps = self._plan.steps_per_epoch or task.train.steps(budget.batch_size)
        return [optimizer.CosineDecay(budget.epochs * steps)]

    def _record_budget(self, index: int, budget: Budget) -> None:
        """What is spent on each task, in the options of the history."""
        for option, value in budget._asdict().items():
            by_task = self.history.options.setdefault(f"{option}_by_task", [])
            by_task[index:] = [value]
