"""The user's callbacks over a stream of tasks, each of which is one `fit` of Keras's.

A callback that decides (early stopping, checkpoints of the best) begins each task anew. One that
records (a log, a monitor) is shown the whole stream as one `fit`. Any callback may have
`on_task_begin(task)` and `on_task_end(task)`, and finds the number of the task in its logs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from keras_ccl.checkpointing.saving_callback import EpochLogs
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.results.history import TaskHistory
from keras_ccl.results.stream_history import StreamHistory

_ORBAX = getattr(keras.callbacks, "OrbaxCheckpoint", ())  # since Keras 3.12

REWRITTEN = (keras.callbacks.CSVLogger, keras.callbacks.History)
"""Recorders that keep every epoch: a resumed run tells them of the epochs before it as well."""

RECORDERS = (keras.callbacks.RemoteMonitor, keras.callbacks.TensorBoard, *REWRITTEN, _ORBAX)
BEST_OF_A_TASK = (keras.callbacks.ModelCheckpoint, _ORBAX)

PASSED_ON = (
    "set_params",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


def check_callbacks(callbacks: list[keras.callbacks.Callback], checkpoint_dir: Any) -> None:
    """Refuse callbacks that would do something else than they say.

    Raises:
        ValueError: naming the callback, and what to use in its place.
    """
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "callbacks: BackupAndRestore knows one fit and no tasks; expected "
                "fit_tasks(..., checkpoint_dir=...) in its place, which also goes on between tasks"
            )
        if isinstance(callback, keras.callbacks.CSVLogger) and callback.append and checkpoint_dir:
            raise ValueError(
                "callbacks: expected CSVLogger(append=False) beside checkpoint_dir: a resumed run "
                "writes the rows of all its tasks; received append=True"
            )


def tell(
    callbacks: Iterable[keras.callbacks.Callback], moment: str, model: Any, task: ReadyTask
) -> None:
    """Call `on_task_begin` or `on_task_end` of those callbacks that have it."""
    for callback in callbacks:
        if hasattr(callback, moment):
            callback.set_model(model)
            getattr(callback, moment)(task)


class TaskCallbacks:
    """The callbacks that a user passed, from task to task.

    Args:
        callbacks: one callback, a list, or None.
        model: the student.

    Attributes:
        given: what the user passed, as a list.
    """

    def __init__(self, callbacks: Any, model: Any) -> None:
        self.given: list[keras.callbacks.Callback] = keras.tree.flatten(callbacks or [])
        self._model = model
        self._shown = [AsOneFit(c) if isinstance(c, RECORDERS) else c for c in self.given]
        for callback in self._with_a_best():
            vars(callback).setdefault("_best_before_tasks", callback.best)

    def begin_task(
        self, task: ReadyTask, history: TaskHistory, logs: EpochLogs, first_epoch: int
    ) -> list[keras.callbacks.Callback]:
        """The callbacks for the `fit` of a task.

        Args:
            task: the task.
            history: of the tasks before it.
            logs: its own epochs so far.
            first_epoch: the epoch it begins with, after 0 if it is resumed.
        """
        for callback in self._with_a_best():
            callback.best = callback._best_before_tasks
        for callback in self._shown:
            if isinstance(callback, AsOneFit):
                callback.begin_task(history, logs, first_epoch)
        tell(self.given, "on_task_begin", self._model, task)
        return [TaskInLogs(task.number), *self._shown]

    def end_task(self, task: ReadyTask) -> None:
        """Called when a task has its row of R."""
        tell(self.given, "on_task_end", self._model, task)

    @property
    def kept(self) -> list[keras.callbacks.Callback]:
        """Those whose state a checkpoint holds; the others are told of all epochs once more."""
        return [callback for callback in self.given if not isinstance(callback, REWRITTEN)]

    @property
    def have_a_bar(self) -> bool:
        """Whether one of them shows the progress of a `fit`, and needs its `verbose`."""
        return any(isinstance(callback, keras.callbacks.ProgbarLogger) for callback in self.given)

    def close(self) -> None:
        """Called when the stream ends, by an error too."""
        for callback in self._shown:
            if isinstance(callback, AsOneFit):
                callback.close()

    def _with_a_best(self) -> list[Any]:
        return [callback for callback in self.given if isinstance(callback, BEST_OF_A_TASK)]


class TaskInLogs(keras.callbacks.Callback):
    """Adds the number of the task to the logs that the callbacks after it are given.

    So a `CSVLogger` has a column `task`, and the path of a `ModelCheckpoint` may hold `{task}`.

    Args:
        task: its number.
    """

    def __init__(self, task: int) -> None:
        super().__init__()
        self.task = task

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["task"] = self.task

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["task"] = self.task


class AsOneFit(keras.callbacks.Callback):
    """Shows a callback the tasks of a stream as one `fit`, whose epochs go on from task to task.

    Args:
        callback: a recorder.
    """

    def __init__(self, callback: keras.callbacks.Callback) -> None:
        super().__init__()
        self.callback = callback
        self._begun = False
        self._told = 0  # epochs of the stream
        for name in PASSED_ON:
            setattr(self, name, getattr(callback, name))

    def begin_task(
        self, history: TaskHistory | StreamHistory, logs: EpochLogs, first_epoch: int
    ) -> None:
        """Called before the `fit` of a task; the arguments are those of `TaskCallbacks`."""
        self._earlier = [
            row
            for number, record in enumerate(history.epochs, history.tasks_before + 1)
            for row in _rows(record, number)
        ]
        self._number, self._logs = history.tasks_before + len(history) + 1, logs
        if not self._begun and not isinstance(self.callback, REWRITTEN):
            self._told = len(self._earlier) + first_epoch

    def set_model(self, model: keras.Model) -> None:
        if not self._begun:
            self.callback.set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:
        if not self._begun:
            self.callback.on_train_begin(logs)
        self._begun = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.callback.on_epoch_begin(len(self._earlier) + epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell of this epoch, and first of those of which an earlier run told."""
        rows = [*self._earlier, *_rows(self._logs.epochs, self._number)[:epoch], logs]
        for number in range(self._told, len(rows)):
            self.callback.on_epoch_end(number, rows[number])
        self._told = len(rows)

    def close(self) -> None:
        """The end of the stream."""
        if self._begun:
            self.callback.on_train_end()
        self._begun = False


def _rows(record: Mapping[str, list[float]], task: int) -> list[dict[str, float]]:
    """The logs of each epoch of a task, from a list for each name."""
    columns = zip(*record.values(), strict=True)
    return [{**dict(zip(record, row, strict=True)), "task": task} for row in columns]
