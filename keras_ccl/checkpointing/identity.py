"""What a run must have in common with a checkpoint to go on from it, and how the two differ."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_ccl.checkpointing.callback_state import settings_of
from keras_ccl.checkpointing.layer_state import hash_of
from keras_ccl.checkpointing.state import lasting_variables, weights_of_backbone

STEERING = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.SwapEMAWeights,
    keras.callbacks.TerminateOnNaN,
)
"""Callbacks of Keras's that decide what is learnt: a run goes on with the same."""
WATCHING = (
    keras.callbacks.CSVLogger,
    keras.callbacks.History,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.TensorBoard,
)
"""Callbacks of Keras's that decide nothing: they may come, go and change."""


def run_identity(
    model: keras.Model, callbacks: Sequence[keras.callbacks.Callback] = (), **run: Any
) -> dict[str, Any]:
    """Model with its networks, optimizer and callbacks, a dict for JSON.

    Args:
        model: the student, compiled.
        callbacks: the user's.
        **run: what else belongs to it.
    """
    shapes = [list(variable.shape) for variable in lasting_variables(model)]
    options = {"class": model.method_name, **model.options(), "shapes": shapes}
    if backbone := weights_of_backbone(model):
        options["weights of the backbone"] = hash_of([weight.numpy() for weight in backbone])
    config = _config_of(model)
    config.pop("calibration", None)  # which the first task ends
    return {
        "model": {**config, **options},
        "optimizer": {"class": type(model.optimizer).__name__, **_config_of(model.optimizer)},
        "callbacks": _named_settings(callbacks),
        **run,
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """One line for each difference between the identities of a checkpoint and of this run.

    A user's own callback that only one of them has is none: it may have been the reason to stop.
    """
    names = {cls.__name__ for cls in STEERING}
    sides = [dict(found), dict(expected)]
    for side, other in (sides, sides[::-1]):
        side["callbacks"] = {
            name: settings
            for name, settings in side.get("callbacks", {}).items()
            if name in other.get("callbacks", {}) or settings["class"] in names
        }
    return list(_lines(sides[0], sides[1]))


def _named_settings(callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, Any]:
    """Settings by class; those of a second callback of a class by class and number."""
    found: dict[str, Any] = {}
    for callback in callbacks:
        if isinstance(callback, WATCHING):
            continue
        steering = next((cls for cls in STEERING if isinstance(callback, cls)), type(callback))
        kind, number = type(callback).__name__, 1
        while (name := kind if number == 1 else f"{kind} {number}") in found:
            number += 1
        found[name] = {"class": steering.__name__, **settings_of(callback)}
    return found


def _config_of(part: Any) -> Any:
    """The config of a model or an optimizer, without the names that Keras counts up.

    Nothing for one that holds a class without `get_config`: it is known by its options and shapes.
    """
    try:
        return _without_names(keras.saving.serialize_keras_object(part)["config"], {})
    except NotImplementedError:
        return {}


def _names_in(config: Any) -> Iterator[str]:
    """The names of layers, in their order."""
    if isinstance(config, dict):
        if "class_name" in config and "name" in config:
            yield config["name"]
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _names_in(part)


def _without_names(config: Any, numbers: dict[str, int]) -> Any:
    """A config in which a layer is known by its number in its network."""
    if isinstance(config, list | tuple):
        return [_without_names(part, numbers) for part in config]
    if not isinstance(config, dict):
        return config
    if str(config.get("class_name")).endswith("DTypePolicy"):
        return config["config"]["name"]
    if "layers" in config:
        numbers = {name: k for k, name in enumerate(_names_in(config["layers"]))}
    return {
        key: _numbered(value, numbers)
        if key in ("keras_history", "input_layers", "output_layers")
        else _without_names(value, numbers)
        for key, value in config.items()
        if key != "name"
    }


def _numbered(reference: Any, numbers: dict[str, int]) -> Any:
    """A reference to a layer, by its number in place of its name."""
    if isinstance(reference, list | tuple):
        return [_numbered(part, numbers) for part in reference]
    return numbers.get(reference, reference) if isinstance(reference, str) else reference


def _lines(found: Any, expected: Any, name: str = "") -> Iterator[str]:
    """Yield one line for each difference between two nested dicts, and lists of such."""
    if isinstance(found, dict) and isinstance(expected, dict):
        pairs = {key: (found.get(key), expected.get(key)) for key in sorted({*found, *expected})}
    elif _are_lists_of_dicts(found, expected):
        pairs = {str(k): pair for k, pair in enumerate(zip(found, expected, strict=True))}
    elif found != expected:
        yield f"{name}: the checkpoint has {found!r}, this run {expected!r}"
        return
    else:
        return
    for key, pair in pairs.items():
        yield from _lines(*pair, f"{name}.{key}" if name else key)


def _are_lists_of_dicts(*values: Any) -> bool:
    """Whether both are lists of the same length, of dicts throughout."""
    lists = all(isinstance(value, list) and value for value in values)
    return (
        lists
        and len({len(v) for v in values}) == 1
        and all(isinstance(part, dict) for value in values for part in value)
    )
