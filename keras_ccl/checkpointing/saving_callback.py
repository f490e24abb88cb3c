"""SavingCallback: saves within a task, and brings a run back to where it was saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_ccl.checkpointing.callback_state import CallbackState, restore_callbacks
from keras_ccl.checkpointing.state import arrays_under, assign, restore_state
from keras_ccl.results.history import TaskHistory

if TYPE_CHECKING:
    from keras_ccl.checkpointing.checkpoints import Checkpoints


class EpochLogs(keras.callbacks.Callback):
    """The logs of each epoch of one task, a dict of lists: Keras's own forgets when a run stops."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.epochs.setdefault(name, []).append(float(value))

    def without_task(self) -> dict[str, list[float]]:
        """The same without the number of the task, which is none of its results."""
        return {name: values for name, values in self.epochs.items() if name != "task"}


class SkippedSteps(keras.callbacks.CallbackList):
    """Callbacks that are not told of the steps that a resumed epoch repeats, until `over`."""

    over = False

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.over:
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.over:
            super().on_train_batch_end(batch, logs)


class SavingCallback(keras.callbacks.Callback):
    """Saves at the end of epochs, and after the step under way when a stop is asked for.

    It must be the last of all callbacks, so that the others are done when it saves or restores.

    Args:
        checkpoints: where to save.
        watched: the state of the other callbacks.
        task: index of the task, from 0.
        history: rows of the tasks before.
        resumed: state and arrays of a checkpoint within this task, or None.
        skipped: the other callbacks, if the checkpoint is within an epoch.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        watched: Sequence[CallbackState],
        task: int,
        history: TaskHistory,
        resumed: tuple[dict, dict] | None,
        skipped: SkippedSteps | None,
    ) -> None:
        super().__init__()
        self._checkpoints, self._watched, self._task = checkpoints, watched, task
        self._history, self._resumed, self._skipped = history, resumed, skipped
        self._epoch = 0
        self._learn: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """After the other callbacks began: as they were saved, and the model with them."""
        for state in self._watched:
            state.note_begin()
        if self._resumed is None:
            return
        if self._skipped is not None:
            self._skip_steps(self._resumed[0]["logs"])
        else:
            self._restore()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """All other callbacks are done with the step: the moment to stop, or to be restored."""
        done, stop = batch + 1, self._checkpoints.stop
        if self._resumed is not None:
            if done == self._resumed[0]["step"]:
                self.learn_again()
                self._restore()
            elif stop:
                stop.raise_if_asked()  # the checkpoint that there is stays true
        elif stop:
            self._save(epoch=self._epoch, step=done, logs=logs)
            stop.raise_if_asked()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        done, last, stop = epoch + 1, self.params["epochs"], self._checkpoints.stop
        due = done % self._checkpoints.save_every == 0
        if due or done == last or self.model.stop_training or stop:
            self._save(epoch=done)
        stop.raise_if_asked()

    def learn_again(self) -> None:
        """The end of the steps that are only read, also if it came by an error."""
        if self._learn is not None:
            self.model.train_function, self._learn = self._learn, None

    def _skip_steps(self, logs: dict[str, float]) -> None:
        """Until the step of the checkpoint, rows are read and nothing is learnt from them."""
        self._learn = self.model.train_function

        def read(iterator: Any) -> dict[str, float]:
            for _ in range(self.model.steps_per_execution):
                next(iterator)
            return logs

        self.model.train_function = read

    def _restore(self) -> None:
        assert self._resumed is not None
        (state, arrays), self._resumed = self._resumed, None
        restore_state(self.model, arrays)
        if state["step"]:
            assign(self.model.metrics_variables, arrays_under(arrays, "metrics"))
        restore_callbacks(self._watched, state["callbacks"], arrays)
        if self._skipped is not None:
            self._skipped.over = True

    def _save(self, **position: Any) -> None:
        self._checkpoints.save(
            self.model,
            task=self._task,
            epochs=self.params["epochs"],
            history=self._history,
            callbacks=self._watched,
            **position,
        )
