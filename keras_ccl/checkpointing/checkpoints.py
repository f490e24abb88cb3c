"""Checkpoints: when a run saves, and how it goes on where it stopped, within an epoch too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_ccl.checkpointing.callback_state import CallbackState, pack, restore_callbacks
from keras_ccl.checkpointing.folder import CheckpointFolder
from keras_ccl.checkpointing.identity import run_identity
from keras_ccl.checkpointing.saving_callback import SavingCallback, SkippedSteps
from keras_ccl.checkpointing.state import (
    capture_state,
    check_state,
    is_within_task,
    restore_state,
    room_of,
)
from keras_ccl.checkpointing.stop_request import StopRequest
from keras_ccl.data.ready_tasks import CheckedTask, fingerprints_of
from keras_ccl.results.history import TaskHistory


class Position(NamedTuple):
    """Where a run goes on.

    Attributes:
        task: index of the task, from 0.
        epoch: of the task, from 0; all of them if it was stopped early.
        done: epochs of it that were learnt.
        history: so far, or None.
    """

    task: int = 0
    epoch: int = 0
    done: int = 0
    history: TaskHistory | None = None


class NoCheckpoints:
    """The checkpoints of a run that has none."""

    def resume(self, model: keras.Model) -> Position:
        """The begin of the run."""
        return Position()

    def in_use(self) -> contextlib.AbstractContextManager:
        """A context in which Ctrl-C does what it always does."""
        return contextlib.nullcontext()

    def note_start(self, model: keras.Model) -> None:
        """Called before anything of a task draws noise."""

    def with_saving(
        self,
        watched: Sequence[keras.callbacks.Callback],
        told: Sequence[keras.callbacks.Callback],
        others: Sequence[keras.callbacks.Callback],
        task: int,
        history: TaskHistory,
    ) -> list[keras.callbacks.Callback]:
        """The callbacks of a task as they are."""
        return [*told, *others]

    def task_done(self, model: keras.Model, task: int, history: TaskHistory) -> None:
        """Called when a task has its row of R."""


class Checkpoints(NoCheckpoints):
    """A run that saves at the end of epochs and tasks, and when it is asked to stop.

    Args:
        folder: where to save.
        save_every: epochs between two checkpoints.
        stop: whether the run is asked to stop.
        callbacks: the user's, whose state is kept from task to task.
        tasks: of the run.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        save_every: int,
        stop: StopRequest,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        tasks: Sequence[CheckedTask] = (),
    ) -> None:
        self.folder, self.save_every, self.stop, self._tasks = folder, save_every, stop, tasks
        self._passes_at_start: list[list[int | None]] = []
        self._states = [CallbackState(callback) for callback in callbacks]
        self._found: tuple[dict, dict] | None = None
        self._noise_at_start: list[int] | None = None
        self._saving: SavingCallback | None = None

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """A context in which Ctrl-C and SIGTERM let the step under way end, and save."""
        try:
            with self.stop.listening():
                yield
        finally:
            if self._saving is not None:
                self._saving.learn_again()
            self.folder.release()

    def resume(self, model: keras.Model) -> Position:
        """Bring model and callbacks back to the newest checkpoint, if there is one.

        Within a task, optimizer and callbacks follow when its `fit` has begun, and so does the
        learning rate: until then it is the one that the decay starts from.
        """
        try:
            self._found = self.folder.load(lambda *found: check_state(model, *found))
            if self._found and self._found[0]["task"] < len(self._tasks):  # else all is learnt
                for task, made in zip(self._tasks, self._found[0]["passes"], strict=False):
                    task.make_up_to(made)
        except BaseException:
            self.folder.release()
            raise
        if self._found is None:
            return Position()
        state, arrays = self._found
        restore_state(model, arrays, optimizer=not is_within_task(state))
        if is_within_task(state):
            model.noise.assign(state["noise_at_start"])  # the task starts as it did
        else:
            restore_callbacks(self._states, state["callbacks"], arrays)
        history = TaskHistory.from_json(state["history"]) if state["history"] else None
        epoch = state["epochs"] if state["stopped"] else state["epoch"]
        return Position(state["task"], epoch, state["epoch"], history)

    def note_start(self, model: keras.Model) -> None:
        """Keep what the order of rows and the validation rows follow from."""
        self._noise_at_start = model.noise.numpy().tolist()
        self._passes_at_start = [task.passes() for task in self._tasks]

    def with_saving(
        self,
        watched: Sequence[keras.callbacks.Callback],
        told: Sequence[keras.callbacks.Callback],
        others: Sequence[keras.callbacks.Callback],
        task: int,
        history: TaskHistory,
    ) -> list[keras.callbacks.Callback]:
        """The callbacks of a task, then one that restores what was found, and saves.

        Args:
            watched: those whose state is saved.
            told: those that Keras calls, but not in steps that a resumed epoch repeats.
            others: those that it always calls.
            task: index of the task, from 0.
            history: rows of the tasks before.
        """
        resumed = self._found if self._found and is_within_task(self._found[0]) else None
        self._found = None
        known = {id(state.callback): state for state in self._states}
        states = [known.get(id(each)) or CallbackState(each) for each in watched]
        skipped = SkippedSteps(list(told)) if resumed and resumed[0]["step"] else None
        self._saving = SavingCallback(self, states, task, history, resumed, skipped)
        return [*(told if skipped is None else [skipped]), *others, self._saving]

    def task_done(self, model: keras.Model, task: int, history: TaskHistory) -> None:
        """Save between two tasks."""
        self._passes_at_start = [each.passes() for each in self._tasks]
        self.save(model, task=task + 1, epoch=0, history=history, callbacks=self._states)
        self.stop.raise_if_asked()

    def save(
        self,
        model: keras.Model,
        *,
        task: int,
        epoch: int,
        history: TaskHistory,
        epochs: int = 0,
        callbacks: Sequence[CallbackState] = (),
        step: int = 0,
        logs: dict[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint.

        Args:
            model: the student, with its optimizer.
            task: index of the task under way, from 0.
            epoch: epochs of it that are done.
            history: rows of the tasks before.
            epochs: of the whole task.
            callbacks: their state.
            step: how many steps of the next epoch are done too.
            logs: of the last of these steps.
        """
        arrays = capture_state(model, means=bool(step))
        records, arrays_of_callbacks = pack(callbacks)
        state = {
            "task": task,
            "epoch": epoch,
            "epochs": epochs,
            "step": step,
            "logs": {name: float(value) for name, value in (logs or {}).items()},
            "stopped": bool(epoch and model.stop_training),
            **room_of(model),
            "noise_at_start": self._noise_at_start,
            "passes": self._passes_at_start,
            "history": history.to_json() if len(history) else None,
            "callbacks": records,
        }
        self.folder.save(state, arrays | arrays_of_callbacks)


def open_checkpoints(
    model: keras.Model,
    directory: str | Path | None,
    *,
    keep_last: int,
    save_every: int,
    writes: bool = True,
    alone: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tasks: Sequence[CheckedTask] = (),
    earlier: Sequence[CheckedTask] = (),
    **run: Any,
) -> NoCheckpoints:
    """The checkpoints in a directory; `NoCheckpoints` where there is none.

    Args:
        model: the student, its optimizer built.
        directory: made if it is not there; or None.
        keep_last: how many checkpoints stay.
        save_every: epochs between two checkpoints.
        writes: of several workers one does.
        alone: whether no other worker takes part.
        callbacks: the user's.
        tasks: of the run.
        earlier: those before it that are measured too.
        **run: what else a run must have in common with a checkpoint to go on from it.

    Raises:
        OSError, RuntimeError: if the directory cannot be written to, or another run uses it.
    """
    if directory is None:
        return NoCheckpoints()
    for task in tasks:
        task.warn_without_seed()
    identity = run_identity(model, callbacks, data=fingerprints_of([*earlier, *tasks]), **run)
    folder = CheckpointFolder(directory, identity, keep_last=keep_last, writes=writes)
    return Checkpoints(folder, save_every, StopRequest(listens=alone), callbacks, tasks)
