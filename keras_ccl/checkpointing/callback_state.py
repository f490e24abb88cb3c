"""What changes in callbacks while a run goes on: found, saved and put back. Settings are not.

Of a callback that is every attribute of numbers, arrays, and lists, tuples and dicts of them, whose
value is another than when the run began. Text never is, since it may be a path, and a checkpoint
must not say where to write; nor is an argument of a constructor of Keras's own.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

OF_KERAS = ("params", "_params", "_model")
"""Attributes that Keras sets in each `fit`."""
NUMBERS = (bool, int, float, type(None))
SEQUENCES = {"list": list, "tuple": tuple}


class CallbackState:
    """What changes in one callback from here on.

    Args:
        callback: the callback, before the run began.
    """

    def __init__(self, callback: keras.callbacks.Callback) -> None:
        self.callback = callback
        self._made = self._begun = copy.deepcopy(_plain_attributes(callback))

    @property
    def kind(self) -> str:
        """The name of its class."""
        return type(self.callback).__name__

    def note_begin(self) -> None:
        """Called when Keras's `fit` has begun: what the callback set up by then is no progress."""
        self._begun = copy.deepcopy(_plain_attributes(self.callback))

    def changed(self) -> dict[str, Any]:
        """The attributes that are not as they were."""
        return {
            name: value
            for name, value in _plain_attributes(self.callback).items()
            if any(name not in b or not _same(value, b[name]) for b in (self._made, self._begun))
        }

    def restore(self, changed: dict[str, Any]) -> None:
        """The reverse of `changed`: all else is as it was when `fit` had begun, or the run."""
        own, skipped = vars(self.callback), _not_progress(self.callback)
        for name, value in {**self._begun, **changed}.items():
            there = own[name] if name in own else getattr(type(self.callback), name, None)
            if name not in skipped and _is_plain(there):  # else no `changed` ever told it
                own[name] = copy.deepcopy(value)


def settings_of(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """The numbers that a callback was made with, and what it monitors: not what it prints or where.

    They are the attributes that have the name of an argument.
    """
    found = {
        name: value
        for name, value in vars(callback).items()
        if name in _arguments(type(callback).__mro__)
        and name != "verbose"
        and (isinstance(value, NUMBERS) or (name in ("monitor", "mode") and isinstance(value, str)))
    }
    if isinstance(callback, keras.callbacks.EarlyStopping | keras.callbacks.ReduceLROnPlateau):
        found["min_delta"] = abs(callback.min_delta)  # Keras changes its sign at the first epoch
    return found


def pack(states: Sequence[CallbackState]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """What changed in callbacks, as records for JSON, and arrays by name."""
    arrays: dict[str, np.ndarray] = {}
    records = [
        {"class": state.kind, "changed": _pack(state.changed(), arrays, f"callback/{k}")}
        for k, state in enumerate(states)
    ]
    return records, arrays


def unpack(
    records: list[dict[str, Any]], arrays: dict[str, np.ndarray]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The reverse of `pack`: the class of each callback, and what changed in it.

    Raises:
        ValueError, TypeError, KeyError: for what `pack` never returns.
    """
    for record in records:
        changed = _unpack(record["changed"], arrays)
        if not isinstance(record["class"], str) or not isinstance(changed, dict):
            raise TypeError(f"a callback {record['class']!r}")
        if not all(isinstance(name, str) for name in changed):
            raise TypeError(f"attributes {list(changed)}")
        yield record["class"], changed


def restore_callbacks(
    states: Sequence[CallbackState], records: list[dict[str, Any]], arrays: dict[str, np.ndarray]
) -> None:
    """Put back what changed: each record goes to the next callback of its class."""
    left = list(states)
    for kind, changed in unpack(records, arrays):
        state = next((each for each in left if each.kind == kind), None)
        if state is not None:  # a callback that this call does not have needs no state
            left.remove(state)
            state.restore(changed)


def _plain_attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """The attributes that may be progress."""
    skipped = _not_progress(callback)
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in skipped and _is_plain(value)
    }


def _not_progress(callback: keras.callbacks.Callback) -> set[str]:
    of_keras = [cls for cls in type(callback).__mro__ if cls.__module__.startswith("keras.")]
    return {*OF_KERAS, *_arguments(of_keras)}


def _arguments(classes: Sequence[type]) -> set[str]:
    """The names of the arguments of their constructors."""
    return {name for cls in classes for name in inspect.signature(cls).parameters}


def _is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(isinstance(k, str | int) and _is_plain(part) for k, part in value.items())
    if type(value) in SEQUENCES.values():
        return all(map(_is_plain, value))
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biufc"
    return isinstance(value, NUMBERS)


def _same(first: Any, second: Any) -> bool:
    """Whether two plain values are the same, type and all."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, np.ndarray | np.generic):
        return first.dtype == second.dtype and np.array_equal(first, second)
    return first == second


def _pack(value: Any, arrays: dict[str, np.ndarray], name: str) -> Any:
    """A plain value as JSON can hold it, its arrays aside."""
    if isinstance(value, NUMBERS):
        return value
    if isinstance(value, dict):
        pairs = enumerate(value.items())
        return {"dict": [[key, _pack(part, arrays, f"{name}/{k}")] for k, (key, part) in pairs]}
    if isinstance(value, list | tuple):
        parts = [_pack(part, arrays, f"{name}/{k}") for k, part in enumerate(value)]
        return {type(value).__name__: parts}
    arrays[name] = np.asarray(value)
    return {"array" if isinstance(value, np.ndarray) else "scalar": name}


def _unpack(packed: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(packed, NUMBERS):
        return packed
    ((kind, content),) = packed.items()
    if kind == "dict":
        return {key: _unpack(part, arrays) for key, part in content}
    if kind in SEQUENCES:
        return SEQUENCES[kind](_unpack(part, arrays) for part in content)
    return arrays[content] if kind == "array" else arrays[content][()]
