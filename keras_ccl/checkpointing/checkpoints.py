"""Checkpoints: when a run saves, and how it goes on where it stopped, within an epoch too."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_ccl.checkpointing.folder import CheckpointFolder
from keras_ccl.checkpointing.saving_callback import SavingCallback
from keras_ccl.checkpointing.state import (
    as_arrays,
    callback_states,
    capture_state,
    check_state,
    is_within_task,
    restore_state,
    run_identity,
)
from keras_ccl.checkpointing.stop_request import StopRequest
from keras_ccl.results.history import TaskHistory


class Position(NamedTuple):
    """Where a run goes on.

    Attributes:
        task: index of the task, from 0.
        epoch: of the task, from 0.
        history: so far, or None.
    """

    task: int = 0
    epoch: int = 0
    history: TaskHistory | None = None


class NoCheckpoints:
    """The checkpoints of a run that has none."""

    def resume(self, model: keras.Model) -> Position:
        """The begin of the run."""
        return Position()

    def until_asked_to_stop(self) -> contextlib.AbstractContextManager:
        """A context in which Ctrl-C does what it always does."""
        return contextlib.nullcontext()

    def note_start(self, model: keras.Model) -> None:
        """Called before anything of a task draws noise."""

    def saving_callbacks(
        self, watched: Sequence[keras.callbacks.Callback], task: int, history: TaskHistory
    ) -> list[keras.callbacks.Callback]:
        """None."""
        return []

    def task_done(self, model: keras.Model, task: int, history: TaskHistory) -> None:
        """Called when a task has its row of R."""


class Checkpoints(NoCheckpoints):
    """A run that saves at the end of epochs and tasks, and when it is asked to stop.

    Args:
        folder: where to save.
        save_every: epochs between two checkpoints.
        stop: whether the run is asked to stop.
    """

    def __init__(self, folder: CheckpointFolder, save_every: int, stop: StopRequest) -> None:
        self.folder, self.save_every, self.stop = folder, save_every, stop
        self._found: tuple[dict, dict] | None = None
        self._noise_at_start: list[int] | None = None

    def until_asked_to_stop(self) -> contextlib.AbstractContextManager:
        """A context in which Ctrl-C and SIGTERM let the step under way end, and save."""
        return self.stop.listening()

    def resume(self, model: keras.Model) -> Position:
        """Bring the model back to the newest checkpoint, if there is one.

        Within a task the optimizer follows when the task begins: until then its learning rate is
        the one that the task's decay starts from.
        """
        self._found = self.folder.load(lambda *found: check_state(model, *found))
        if self._found is None:
            return Position()
        state, arrays = self._found
        within = is_within_task(state)
        restore_state(model, arrays, optimizer=not within)
        if within:
            model.noise.assign(state["noise_at_start"])  # the task starts as it did
        history = TaskHistory.from_json(state["history"]) if state["history"] else None
        epoch = state["epochs"] if state["stopped"] else state["epoch"]
        return Position(state["task"], epoch, history)

    def note_start(self, model: keras.Model) -> None:
        """Keep the noise that the order of rows and the validation rows are drawn from."""
        self._noise_at_start = model.noise.numpy().tolist()

    def saving_callbacks(
        self, watched: Sequence[keras.callbacks.Callback], task: int, history: TaskHistory
    ) -> list[keras.callbacks.Callback]:
        """The callback, last of all, that saves; the first one restores what was found.

        Args:
            watched: the other callbacks.
            task: index of the task, from 0.
            history: rows of the tasks before.
        """
        resumed = self._found if self._found and is_within_task(self._found[0]) else None
        self._found = None
        return [SavingCallback(self, watched, task, history, resumed)]

    def task_done(self, model: keras.Model, task: int, history: TaskHistory) -> None:
        """Save between two tasks."""
        self.save(model, task=task + 1, epoch=0, history=history)
        self.stop.raise_if_asked()

    def save(
        self,
        model: keras.Model,
        *,
        task: int,
        epoch: int,
        history: TaskHistory,
        epochs: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
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
            callbacks: those whose state is saved.
            step: how many steps of the next epoch are done too.
            logs: of the last of these steps.
        """
        arrays = capture_state(model)
        if step:
            arrays |= as_arrays({"metrics": model.metrics_variables})
        records, lists = callback_states(callbacks)
        state = {
            "task": task,
            "epoch": epoch,
            "epochs": epochs,
            "step": step,
            "logs": {name: float(value) for name, value in (logs or {}).items()},
            "stopped": bool(epoch and model.stop_training),
            "noise_at_start": self._noise_at_start,
            "history": history.to_json() if len(history) else None,
            "callbacks": records,
        }
        self.folder.save(state, arrays | lists)


def open_checkpoints(
    model: keras.Model,
    directory: str | Path | None,
    *,
    keep_last: int,
    save_every: int,
    writes: bool = True,
    alone: bool = True,
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
        **run: what else a run must have in common with a checkpoint to go on from it.
    """
    if directory is None:
        return NoCheckpoints()
    identity = run_identity(model, **run)
    folder = CheckpointFolder(directory, identity, keep_last=keep_last, writes=writes)
    return Checkpoints(folder, save_every, StopRequest(listens=alone))
