"""Going on where a run stopped, in the middle of a task too: what is saved, and put back."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_ccl.checkpoints import CheckpointFolder
from keras_ccl.history import TaskHistory
from keras_ccl.schedules import build_optimizer


class Position(NamedTuple):
    """Where a run goes on: task and epoch, both from 0, and the history so far or None."""

    task: int = 0
    epoch: int = 0
    history: Any = None


class Nowhere:
    """A run without checkpoints."""

    def restore(self, model):
        return Position()

    def start_task(self, model):
        """Called before anything of a task draws noise."""

    def keeper(self, watched, task, history):
        return []

    def task_done(self, model, task, history):
        """Called when a task has its row of R."""


class Checkpoints:
    """A run that saves at the end of each epoch and task.

    Args:
        folder: a `CheckpointFolder`; save_every: epochs between two checkpoints.
    """

    def __init__(self, folder, save_every=1):
        self.folder, self.save_every = folder, save_every
        self.found = None
        self.noise_at_start = None

    def restore(self, model):
        """Put the model back to the newest checkpoint, if there is one: a `Position`.

        Within a task the optimizer follows when the task begins: until then its learning rate is
        the one that the task's decay starts from.
        """
        self.found = self.folder.load(lambda *found: check_state(model, *found))
        if self.found is None:
            return Position()
        state, arrays = self.found
        put_back(model, arrays, optimizer=not state["epoch"])
        if state["epoch"]:
            model.noise.assign(state["noise_at_start"])  # the task starts as it did
        history = TaskHistory.from_json(state["history"]) if state["history"] else None
        epoch = state["epochs"] if state["stopped"] else state["epoch"]
        return Position(state["task"], epoch, history)

    def start_task(self, model):
        """Remember the noise that the order of rows and the validation rows are drawn from."""
        self.noise_at_start = model.noise.numpy().tolist()

    def keeper(self, watched, task, history):
        """The callback, last of all, that saves; the first time it puts back what was found.

        Args:
            watched: the other callbacks; task: from 0; history: rows of the tasks before.
        """
        resumed = self.found if self.found and self.found[0]["epoch"] else None
        self.found = None
        return [_Keeper(self, watched, task, history, resumed)]

    def task_done(self, model, task, history):
        """Save between two tasks."""
        self.save(model, task=task + 1, epoch=0, history=history)

    def save(self, model, *, task, epoch, history, epochs=0, callbacks=()):
        """Write a checkpoint: `epoch` of `epochs` of the task done, callbacks as they are."""
        arrays = everything(model)
        remembered = []
        for k, callback in enumerate(callbacks):
            plain, lists = remembers(callback)
            remembered.append({"class": type(callback).__name__, **plain})
            for name, values in lists.items():
                arrays |= {f"callback/{k}/{name}/{i}": v for i, v in enumerate(values)}
        state = {
            "task": task,
            "epoch": epoch,
            "epochs": epochs,
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


class _Keeper(keras.callbacks.Callback):
    def __init__(self, run, watched, task, history, resumed):
        super().__init__()
        self.run, self.watched, self.task = run, watched, task
        self.history, self.resumed = history, resumed

    def on_train_begin(self, logs=None):
        """After the other callbacks began: as they were, and the model with them."""
        if self.resumed is None:
            return
        state, arrays = self.resumed
        put_back(self.model, arrays)
        fresh = list(self.watched)
        for k, plain in enumerate(state["callbacks"]):
            kind = plain.pop("class")
            callback = next((c for c in fresh if type(c).__name__ == kind), None)
            if callback is None:
                continue  # this call has no such callback, and needs no state of it
            fresh.remove(callback)
            lists = {n: _listed(arrays, f"callback/{k}/{n}") for n in _names(arrays, k)}
            vars(callback).update({**plain, **lists})

    def on_epoch_end(self, epoch, logs=None):
        done, last = epoch + 1, self.params["epochs"]
        if done % self.run.save_every == 0 or done == last or self.model.stop_training:
            self.run.save(
                self.model,
                task=self.task,
                epoch=done,
                epochs=last,
                history=self.history,
                callbacks=self.watched,
            )


def everything(model):
    """Arrays of all that changes in a model and its optimizer, in a fixed order."""
    parts = {"model": _variables(model), "optimizer": model.optimizer.variables}
    return {
        f"{part}/{k}": np.array(variable.numpy())
        for part, variables in parts.items()
        for k, variable in enumerate(variables)
    }


def put_back(model, arrays, *, optimizer=True):
    """The reverse of `everything`, with the optimizer or without."""
    parts = {"model": _variables(model)}
    if optimizer:
        parts["optimizer"] = model.optimizer.variables
    for part, variables in parts.items():
        for variable, value in zip(variables, _listed(arrays, part), strict=True):
            variable.assign(value)


def check_state(model, state, arrays):
    """Refuse what could not be put back, before anything is: a hash does not tell who wrote it.

    Raises:
        ValueError, KeyError, TypeError: for a state or arrays that `Checkpoints.save` never writes.
    """
    for name, value in everything(model).items():
        found = arrays[name]
        if (found.shape, found.dtype) != (value.shape, value.dtype):
            raise ValueError(f"{name}: {found.dtype} {found.shape}")
    if not isinstance(state["stopped"], bool):
        raise TypeError(f"stopped {state['stopped']!r}")
    numbers = [state[name] for name in ("task", "epoch", "epochs")]
    noise = [0, 0] if state["noise_at_start"] is None else state["noise_at_start"]
    if not all(type(n) is int and 0 <= n < 2**31 for n in [*numbers, *noise]) or len(noise) != 2:
        raise ValueError(f"task, epoch, epochs {numbers} and noise {noise}")
    done = TaskHistory.from_json(state["history"]) if state["history"] else ()
    if len(done) != state["task"] or (state["epoch"] and state["noise_at_start"] is None):
        raise ValueError(f"task {state['task']} after {len(done)} rows of history")
    for record in state["callbacks"]:
        if not isinstance(record["class"], str):
            raise TypeError(f"a callback {record['class']!r}")


def remembers(callback):
    """What a callback keeps from epoch to epoch: its plain attributes, and its lists of arrays."""
    plain, lists = {}, {}
    for name, value in vars(callback).items():
        if name in ("params", "_params", "_model"):
            continue
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str) or _is_record(value):
            plain[name] = value
        elif isinstance(value, list) and value and all(isinstance(v, np.ndarray) for v in value):
            lists[name] = value
    return plain, lists


def identity(model, **run):
    """What a run must have in common with a checkpoint to go on from it, a dict for JSON."""
    shapes = [list(variable.shape) for variable in _variables(model)]
    optimizer = _without_names(keras.saving.serialize_keras_object(model.optimizer)["config"])
    kind = type(model.optimizer).__name__
    return {
        "model": {"class": type(model).__name__, **model.options(), "shapes": shapes},
        "optimizer": {"class": kind, **optimizer},
        **run,
    }


def start(model, directory, *, keep_last, save_every, writes=True, **run):
    """`Checkpoints` in a directory, or `Nowhere`. Of several workers only one `writes`."""
    if directory is None:
        return Nowhere()
    build_optimizer(model)
    identified = identity(model, **run)
    folder = CheckpointFolder(directory, identified, keep_last=keep_last, writes=writes)
    return Checkpoints(folder, save_every)


def _without_names(config):
    """A config without the names that Keras counts up within a process."""
    if not isinstance(config, dict):
        return config
    return {key: _without_names(value) for key, value in config.items() if key != "name"}


def _variables(model):
    measured = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in measured]


def _listed(arrays, prefix):
    found = []
    while f"{prefix}/{len(found)}" in arrays:
        found.append(arrays[f"{prefix}/{len(found)}"])
    return found


def _names(arrays, k):
    return {key.split("/")[2] for key in arrays if key.startswith(f"callback/{k}/")}


def _is_record(value):
    """Whether a value is a dict of lists of numbers, such as the logs of epochs."""
    return isinstance(value, dict) and all(
        isinstance(key, str)
        and isinstance(numbers, list)
        and all(isinstance(number, int | float) for number in numbers)
        for key, numbers in value.items()
    )
