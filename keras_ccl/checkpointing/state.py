"""All that changes in a run, as arrays and plain values; and back, checked first."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from keras_ccl.checkpointing.layer_state import derive_state
from keras_ccl.results.history import TaskHistory


def capture_state(model: keras.Model) -> dict[str, np.ndarray]:
    """Arrays of all that changes in a model and its optimizer, in a fixed order."""
    return as_arrays({"model": _variables(model), "optimizer": model.optimizer.variables})


def as_arrays(parts: dict[str, Iterable[Any]]) -> dict[str, np.ndarray]:
    """The values of variables, by the name of their part and their place in it."""
    return {
        f"{part}/{k}": np.array(variable.numpy())
        for part, variables in parts.items()
        for k, variable in enumerate(variables)
    }


def restore_state(
    model: keras.Model, arrays: dict[str, np.ndarray], *, optimizer: bool = True
) -> None:
    """The reverse of `capture_state`, with the optimizer or without."""
    parts = {"model": _variables(model)}
    if optimizer:
        parts["optimizer"] = model.optimizer.variables
    for part, variables in parts.items():
        assign(variables, arrays_under(arrays, part))
    derive_state(model)


def assign(variables: Iterable[Any], values: Iterable[np.ndarray]) -> None:
    """Assign one value to each variable."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def check_state(model: keras.Model, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
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


def callback_states(
    callbacks: Sequence[keras.callbacks.Callback],
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """What callbacks keep from epoch to epoch: a record each, and arrays by name."""
    records: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for k, callback in enumerate(callbacks):
        plain, lists = callback_state(callback)
        records.append({"class": type(callback).__name__, **plain})
        for name, values in lists.items():
            arrays |= {f"callback/{k}/{name}/{i}": v for i, v in enumerate(values)}
    return records, arrays


def restore_callbacks(
    callbacks: Sequence[keras.callbacks.Callback],
    records: list[dict[str, Any]],
    arrays: dict[str, np.ndarray],
) -> None:
    """The reverse of `callback_states`: each record goes to the next callback of its class."""
    fresh = list(callbacks)
    for k, record in enumerate(records):
        kind = record.pop("class")
        callback = next((c for c in fresh if type(c).__name__ == kind), None)
        if callback is None:
            continue  # this call has no such callback, and needs no state of it
        fresh.remove(callback)
        names = {key.split("/")[2] for key in arrays if key.startswith(f"callback/{k}/")}
        lists = {name: arrays_under(arrays, f"callback/{k}/{name}") for name in names}
        vars(callback).update({**record, **lists})


def callback_state(
    callback: keras.callbacks.Callback,
) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    """The plain attributes of a callback, and those that are lists of arrays."""
    plain: dict[str, Any] = {}
    lists: dict[str, list[np.ndarray]] = {}
    for name, value in vars(callback).items():
        if name in ("params", "_params", "_model"):
            continue
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str) or _is_record(value):
            plain[name] = value
        elif isinstance(value, list) and value and all(map(_is_array, value)):
            lists[name] = value
    return plain, lists


def run_identity(model: keras.Model, **run: Any) -> dict[str, Any]:
    """What a run must have in common with a checkpoint to go on from it, a dict for JSON."""
    shapes = [list(variable.shape) for variable in _variables(model)]
    optimizer = _without_names(keras.saving.serialize_keras_object(model.optimizer)["config"])
    kind = type(model.optimizer).__name__
    return {
        "model": {"class": model.method_name, **model.options(), "shapes": shapes},
        "optimizer": {"class": kind, **optimizer},
        **run,
    }


def _without_names(config: Any) -> Any:
    """A config without the names that Keras counts up within a process."""
    if not isinstance(config, dict):
        return config
    return {key: _without_names(value) for key, value in config.items() if key != "name"}


def is_within_task(state: dict[str, Any]) -> bool:
    """Whether a state was saved when a task had begun and was not finished."""
    return bool(state["epoch"] or state["step"])


def _variables(model: keras.Model) -> list[Any]:
    measured = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in measured]


def arrays_under(arrays: dict[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    """The arrays named prefix/0, prefix/1 and so on."""
    found: list[np.ndarray] = []
    while f"{prefix}/{len(found)}" in arrays:
        found.append(arrays[f"{prefix}/{len(found)}"])
    return found


def _is_record(value: Any) -> bool:
    """Whether a value is a dict of lists of numbers, such as the logs of epochs."""
    return isinstance(value, dict) and all(
        isinstance(key, str)
        and isinstance(numbers, list)
        and all(isinstance(number, int | float) for number in numbers)
        for key, numbers in value.items()
    )


def _is_array(value: Any) -> bool:
    """Whether a value is an array, or a NumPy scalar, as `get_weights` gives for some weights."""
    return isinstance(value, np.ndarray | np.generic)
