"""All that changes in a run, as arrays and plain values; and back, checked first."""

import keras
import numpy as np

from keras_ccl.results.history import TaskHistory


def capture_state(model):
    """Arrays of all that changes in a model and its optimizer, in a fixed order."""
    return as_arrays({"model": _variables(model), "optimizer": model.optimizer.variables})


def as_arrays(parts):
    return {
        f"{part}/{k}": np.array(variable.numpy())
        for part, variables in parts.items()
        for k, variable in enumerate(variables)
    }


def restore_state(model, arrays, *, optimizer=True):
    """The reverse of `capture_state`, with the optimizer or without."""
    parts = {"model": _variables(model)}
    if optimizer:
        parts["optimizer"] = model.optimizer.variables
    for part, variables in parts.items():
        assign(variables, arrays_under(arrays, part))


def assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def check_state(model, state, arrays):
    """Refuse what could not be put back, before anything is: a hash does not tell who wrote it.

    Raises:
        ValueError, KeyError, TypeError: for a state or arrays that `Checkpoints.save` never writes.
    """
    expected = capture_state(model)
    if state["step"]:
        expected |= as_arrays({"metrics": model.metrics_variables})
    for name, value in expected.items():
        found = arrays[name]
        if (found.shape, found.dtype) != (value.shape, value.dtype):
            raise ValueError(f"{name}: {found.dtype} {found.shape}")
    if not isinstance(state["stopped"], bool):
        raise TypeError(f"stopped {state['stopped']!r}")
    numbers = [state[name] for name in ("task", "epoch", "epochs", "step")]
    noise = [0, 0] if state["noise_at_start"] is None else state["noise_at_start"]
    if not all(type(n) is int and 0 <= n < 2**31 for n in [*numbers, *noise]) or len(noise) != 2:
        raise ValueError(f"task, epoch, epochs, step {numbers} and noise {noise}")
    done = TaskHistory.from_json(state["history"]) if state["history"] else ()
    if len(done) != state["task"] or (is_within_task(state) and state["noise_at_start"] is None):
        raise ValueError(f"task {state['task']} after {len(done)} rows of history")
    if not all(isinstance(value, float) for value in state["logs"].values()):
        raise TypeError(f"logs {state['logs']}")
    for record in state["callbacks"]:
        if not isinstance(record["class"], str):
            raise TypeError(f"a callback {record['class']!r}")


def callback_state(callback):
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


def run_identity(model, **run):
    """What a run must have in common with a checkpoint to go on from it, a dict for JSON."""
    shapes = [list(variable.shape) for variable in _variables(model)]
    optimizer = _without_names(keras.saving.serialize_keras_object(model.optimizer)["config"])
    kind = type(model.optimizer).__name__
    return {
        "model": {"class": model.method_name, **model.options(), "shapes": shapes},
        "optimizer": {"class": kind, **optimizer},
        **run,
    }


def _without_names(config):
    """A config without the names that Keras counts up within a process."""
    if not isinstance(config, dict):
        return config
    return {key: _without_names(value) for key, value in config.items() if key != "name"}


def is_within_task(state):
    return bool(state["epoch"] or state["step"])


def _variables(model):
    measured = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in measured]


def arrays_under(arrays, prefix):
    found = []
    while f"{prefix}/{len(found)}" in arrays:
        found.append(arrays[f"{prefix}/{len(found)}"])
    return found


def names_of_lists(arrays, k):
    return {key.split("/")[2] for key in arrays if key.startswith(f"callback/{k}/")}


def _is_record(value):
    """Whether a value is a dict of lists of numbers, such as the logs of epochs."""
    return isinstance(value, dict) and all(
        isinstance(key, str)
        and isinstance(numbers, list)
        and all(isinstance(number, int | float) for number in numbers)
        for key, numbers in value.items()
    )
