"""All that changes in a run, as arrays and plain values; and back, checked first."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_ccl.checkpointing.callback_state import unpack
from keras_ccl.checkpointing.layer_state import derive_state
from keras_ccl.results.history import TaskHistory

MOST_PASSES = 2**20
"""More than this nobody made, and a file that says so is not to be believed."""


def capture_state(model: keras.Model, *, means: bool = False) -> dict[str, np.ndarray]:
    """Arrays of all that changes in a model and its optimizer, in a fixed order.

    Args:
        model: the student, compiled.
        means: whether the running means of an epoch are among it.
    """
    parts = {"model": lasting_variables(model), "optimizer": model.optimizer.variables}
    return as_arrays({**parts, "metrics": model.metrics_variables} if means else parts)


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
    parts = {"model": lasting_variables(model)}
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
    _make_room(model, state, arrays)
    for name, value in capture_state(model, means=bool(state["step"])).items():
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
    passes = [number for each in state["passes"] for number in each if number is not None]
    if not all(type(n) is int and 0 <= n < MOST_PASSES for n in passes) or any(
        len(each) != 3 for each in state["passes"]
    ):
        raise ValueError(f"passes {passes}")
    if not all(isinstance(value, float) for value in state["logs"].values()):
        raise TypeError(f"logs {state['logs']}")
    for _ in unpack(state["callbacks"], arrays):
        pass


def is_within_task(state: dict[str, Any]) -> bool:
    """Whether a state was saved when a task had begun and was not finished."""
    return bool(state["epoch"] or state["step"])


def lasting_variables(model: keras.Model) -> list[Any]:
    """The variables of a model that a run changes.

    Not the running means, which each epoch begins anew, and not a backbone, which is frozen.
    """
    others = {id(v) for v in (*model.metrics_variables, *weights_of_backbone(model))}
    return [variable for variable in model.variables if id(variable) not in others]


def weights_of_backbone(model: keras.Model) -> list[Any]:
    """Those of what a model sees its rows through, if it has such."""
    backbone = getattr(model, "backbone", None)
    return [] if backbone is None else backbone.variables


def arrays_under(arrays: dict[str, np.ndarray], prefix: str) -> list[np.ndarray]:
    """The arrays named prefix/0, prefix/1 and so on."""
    found: list[np.ndarray] = []
    while f"{prefix}/{len(found)}" in arrays:
        found.append(arrays[f"{prefix}/{len(found)}"])
    return found


def room_of(model: Any) -> dict[str, Any]:
    """What a model has become beside its weights, a dict for JSON."""
    names = {"class_names": list(model.class_names)} if model.is_open else {}
    records = {"calibration": model.calibration_record(), "classes": model.class_record()}
    return {"memory_size": model.memory_size, **names, **records}


def _make_room(model: Any, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Make the weights that a model has once its rows came, of the size that they were saved in.

    Raises:
        ValueError: for a size whose weights are not among the arrays, or odd records.
    """
    size = state["memory_size"]
    stored = sum(array.size for array in arrays.values())
    if type(size) is not int or not 0 <= size**2 <= 4 * stored:  # of patches there are fewer
        raise ValueError(f"memory_size {size}, with {stored} numbers stored")
    _meet_classes(model, state, stored)
    if size and not model.memory_size:
        model.grow_memory(size)
    model.restore_classes(state.get("classes"))
    model.restore_calibration(state.get("calibration"))


def _meet_classes(model: Any, state: dict[str, Any], stored: int) -> None:
    """Let a model know the classes that it knew when it was saved."""
    if not model.is_open:
        return
    names, known = tuple(state["class_names"]), model.class_names
    if len(names) > stored or names[: len(known)] != known:
        raise ValueError(f"class_names {names[:10]}, of a model that knows {known[:10]}")
    if names != known:
        model.grow_classes(names[len(known) :])
