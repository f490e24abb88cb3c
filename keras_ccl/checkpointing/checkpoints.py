"""Going on where a run stopped, in the middle of an epoch too: what is saved, and put back."""

import contextlib
import signal
import threading
from typing import Any, NamedTuple

import keras

from keras_ccl.checkpointing.folder import CheckpointFolder
from keras_ccl.checkpointing.state import (
    arrays_under,
    as_arrays,
    assign,
    callback_state,
    capture_state,
    check_state,
    is_within_task,
    names_of_lists,
    restore_state,
    run_identity,
)
from keras_ccl.results.history import TaskHistory


class Position(NamedTuple):
    """Where a run goes on: task and epoch, both from 0, and the history so far or None."""

    task: int = 0
    epoch: int = 0
    history: Any = None


class NoCheckpoints:
    """A run without checkpoints."""

    def resume(self, model):
        return Position()

    def until_asked_to_stop(self):
        """A context in which Ctrl-C does what it always does."""
        return contextlib.nullcontext()

    def note_start(self, model):
        """Called before anything of a task draws noise."""

    def saving_callbacks(self, watched, task, history):
        return []

    def task_done(self, model, task, history):
        """Called when a task has its row of R."""


class Checkpoints:
    """A run that saves at the end of each epoch and task, and when it is asked to stop.

    Args:
        folder: a `CheckpointFolder`; save_every: epochs between two checkpoints.
        alone: False leaves signals as they are: a worker cannot stop without the others.
    """

    def __init__(self, folder, save_every=1, alone=True):
        self.folder, self.save_every, self.alone = folder, save_every, alone
        self.found = None
        self.noise_at_start = None
        self.asked = None

    @contextlib.contextmanager
    def until_asked_to_stop(self):
        """A context in which Ctrl-C and SIGTERM let the step under way end, and save.

        The second time they do what they always do. Elsewhere than in the main thread, where
        Python handles no signals, nothing changes.
        """
        in_main = threading.current_thread() is threading.main_thread()
        if not (in_main and self.alone):
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.getsignal(each) or signal.SIG_DFL for each in numbers}

        def ask(number, frame):
            self.asked = number
            for each, handler in before.items():
                signal.signal(each, handler)

        for each in numbers:
            signal.signal(each, ask)
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def stop_if_asked(self):
        """Raises KeyboardInterrupt after Ctrl-C, SystemExit(143) after SIGTERM."""
        if self.asked == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        if self.asked is not None:
            raise KeyboardInterrupt

    def resume(self, model):
        """Put the model back to the newest checkpoint, if there is one: a `Position`.

        Within a task the optimizer follows when the task begins: until then its learning rate is
        the one that the task's decay starts from.
        """
        self.found = self.folder.load(lambda *found: check_state(model, *found))
        if self.found is None:
            return Position()
        state, arrays = self.found
        within = is_within_task(state)
        restore_state(model, arrays, optimizer=not within)
        if within:
            model.noise.assign(state["noise_at_start"])  # the task starts as it did
        history = TaskHistory.from_json(state["history"]) if state["history"] else None
        epoch = state["epochs"] if state["stopped"] else state["epoch"]
        return Position(state["task"], epoch, history)

    def note_start(self, model):
        """Remember the noise that the order of rows and the validation rows are drawn from."""
        self.noise_at_start = model.noise.numpy().tolist()

    def saving_callbacks(self, watched, task, history):
        """The callback, last of all, that saves; the first time it puts back what was found.

        Args:
            watched: the other callbacks; task: from 0; history: rows of the tasks before.
        """
        resumed = self.found if self.found and is_within_task(self.found[0]) else None
        self.found = None
        return [_SavingCallback(self, watched, task, history, resumed)]

    def task_done(self, model, task, history):
        """Save between two tasks."""
        self.save(model, task=task + 1, epoch=0, history=history)
        self.stop_if_asked()

    def save(self, model, *, task, epoch, history, epochs=0, callbacks=(), step=0, logs=None):
        """Write a checkpoint: `epoch` of `epochs` of the task done, callbacks as they are.

        Args:
            step, logs: how many steps of the next epoch are done too, and the logs of the last.
        """
        arrays = capture_state(model)
        if step:
            arrays |= as_arrays({"metrics": model.metrics_variables})
        remembered = []
        for k, callback in enumerate(callbacks):
            plain, lists = callback_state(callback)
            remembered.append({"class": type(callback).__name__, **plain})
            for name, values in lists.items():
                arrays |= {f"callback/{k}/{name}/{i}": v for i, v in enumerate(values)}
        state = {
            "task": task,
            "epoch": epoch,
            "epochs": epochs,
            "step": step,
            "logs": {name: float(value) for name, value in (logs or {}).items()},
            "stopped": bool(epoch and model.stop_training),
            "noise_at_start": self.noise_at_start,
            "history": history.to_json() if len(history) else None,
            "callbacks": remembered,
        }
        self.folder.save(state, arrays)


class EpochLogs(keras.callbacks.Callback):
    """The logs of each epoch of one task, a dict of lists: Keras's own forgets when a run stops."""

    def __init__(self):
        super().__init__()
        self.epochs = {}

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self.epochs.setdefault(name, []).append(float(value))


class _SavingCallback(keras.callbacks.Callback):
    def __init__(self, run, watched, task, history, resumed):
        super().__init__()
        self.run, self.watched, self.task = run, watched, task
        self.history, self.resumed = history, resumed
        self.epoch = 0

    def on_train_begin(self, logs=None):
        """After the other callbacks began: as they were, and the model with them."""
        if self.resumed is None:
            return
        if self.resumed[0]["step"]:
            self._read_past(self.resumed[0]["logs"])
        else:
            self._put_back()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """All other callbacks are done with the step: the moment to stop, or to be put back."""
        done = batch + 1
        if self.resumed is not None:
            if done == self.resumed[0]["step"]:
                self.model.train_function = self.learn
                self._put_back()
            elif self.run.asked is not None:
                self.model.train_function = self.learn
                self.run.stop_if_asked()  # the checkpoint that there is stays true
        elif self.run.asked is not None:
            self._save(epoch=self.epoch, step=done, logs=logs)
            self.run.stop_if_asked()

    def _read_past(self, logs):
        """Until the step of the checkpoint the rows are read, and nothing is learnt from them."""
        self.learn = self.model.train_function

        def read(iterator):
            try:
                for _ in range(self.model.steps_per_execution):
                    next(iterator)
            except BaseException:
                self.model.train_function = self.learn
                raise
            return logs

        self.model.train_function = read

    def _put_back(self):
        (state, arrays), self.resumed = self.resumed, None
        restore_state(self.model, arrays)
        if state["step"]:
            assign(self.model.metrics_variables, arrays_under(arrays, "metrics"))
        fresh = list(self.watched)
        for k, plain in enumerate(state["callbacks"]):
            kind = plain.pop("class")
            callback = next((c for c in fresh if type(c).__name__ == kind), None)
            if callback is None:
                continue  # this call has no such callback, and needs no state of it
            fresh.remove(callback)
            lists = {
                n: arrays_under(arrays, f"callback/{k}/{n}") for n in names_of_lists(arrays, k)
            }
            vars(callback).update({**plain, **lists})

    def on_epoch_end(self, epoch, logs=None):
        done, last = epoch + 1, self.params["epochs"]
        asked = self.run.asked is not None
        if done % self.run.save_every == 0 or done == last or self.model.stop_training or asked:
            self._save(epoch=done)
        self.run.stop_if_asked()

    def _save(self, **position):
        self.run.save(
            self.model,
            task=self.task,
            epochs=self.params["epochs"],
            history=self.history,
            callbacks=self.watched,
            **position,
        )


def open_checkpoints(model, directory, *, keep_last, save_every, writes=True, alone=True, **run):
    """`Checkpoints` in a directory, or `NoCheckpoints`.

    Args:
        writes: of several workers one does; alone: whether no other worker takes part.
    """
    if directory is None:
        return NoCheckpoints()
    identified = run_identity(model, **run)
    folder = CheckpointFolder(directory, identified, keep_last=keep_last, writes=writes)
    return Checkpoints(folder, save_every, alone)
