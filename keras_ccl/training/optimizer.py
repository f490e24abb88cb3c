"""The optimizer between and within tasks: reset or kept, and cosine decay of the learning rate."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_ccl.training.grown_weights import with_corner

OPTIMIZER_STATES = ("reset", "keep")
DECAYS = ("auto", "cosine", None)

RATE_SETTERS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
"""Callbacks of Keras's that set the learning rate."""


def reset_optimizer(model: keras.Model) -> None:
    """Reset the state of the optimizer to that of a new one, in the same variables.

    The traced train function holds these variables; a new optimizer would have to be traced again.

    Args:
        model: A compiled model.
    """
    build_optimizer(model)
    for variable, fresh in zip(model.optimizer.variables, _twin(model).variables, strict=True):
        variable.assign(fresh)


def _twin(model: keras.Model) -> keras.optimizers.Optimizer:
    """Return a new optimizer, alike, for the weights of a model as they are now."""
    with model.distribute_strategy.scope():
        twin = type(model.optimizer).from_config(model.optimizer.get_config())
        twin.build(model.trainable_variables)
    return twin


def compile_with_adam(model: Any) -> None:
    """Compile a model with Adam, if it is not compiled yet.

    Args:
        model: A `ContinualModel`.
    """
    if not model.compiled:
        with model.distribute_strategy.scope():
            model.compile(optimizer=keras.optimizers.Adam(1e-3))


def build_optimizer(model: keras.Model) -> None:
    """Create the variables of the optimizer if it has none yet.

    With float16 precision Keras would otherwise create them twice.

    Args:
        model: A compiled model.
    """
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)


def grow_optimizer(model: keras.Model) -> None:
    """Give the state of the optimizer the shapes of the weights, some of which have grown.

    Args:
        model: A model, compiled or not.
    """
    if not model.compiled or not model.optimizer.built:
        return
    optimizer, twin = model.optimizer, _twin(model)
    for variable, fresh in zip(optimizer.variables, twin.variables, strict=True):
        fresh.assign(with_corner(np.asarray(fresh), np.asarray(variable)))
    # It knows its weights by what they were. So it becomes the twin, and stays the object it is.
    vars(optimizer).update(vars(twin))


@contextlib.contextmanager
def learning_rate_kept(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Restore the learning rate when the context ends, also after an error.

    Args:
        optimizer: The optimizer.

    Yields:
        Nothing; the learning rate may change inside the context.
    """
    fixed = _has_fixed_rate(optimizer)
    before = float(optimizer.learning_rate.numpy()) if fixed else None
    try:
        yield
    finally:
        if fixed:
            optimizer.learning_rate = before


def decays_beside(callbacks: Sequence[keras.callbacks.Callback], decay: str | None) -> bool:
    """Return whether the learning rate decays: a callback of the user's that sets it wins.

    Args:
        callbacks: The user's callbacks.
        decay: One of `DECAYS`.

    Raises:
        ValueError: For `"cosine"` beside one of `RATE_SETTERS`.
    """
    setter = next((c for c in callbacks if isinstance(c, RATE_SETTERS)), None)
    if decay == "cosine" and setter is not None:
        raise ValueError(
            f"learning_rate_decay: expected 'auto' or None beside {type(setter).__name__}, which "
            "sets the learning rate itself; received 'cosine'"
        )
    return decay is not None and setter is None


class CosineDecay(keras.callbacks.Callback):
    """Decays the learning rate from its value to 0 along a cosine over the steps of one `fit`.

    A learning rate that is a schedule already is left unchanged, and so is, from then on, one that
    somebody else has set.

    Args:
        steps: The number of steps of the task.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.initial: float | None = None
        self.rate = 0.0
        self.step = self.first = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if _has_fixed_rate(self.model.optimizer):
            self.initial = self.rate = self._current()

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.initial is not None and self._current() != self.rate:
            self.initial = None  # somebody else decides
        if self.initial is not None:
            share = min(self.step / self.steps, 1.0)
            rate = self.initial * 0.5 * (1 + math.cos(math.pi * share))
            self.model.optimizer.learning_rate = rate
            self.rate = self._current()
        self.first = batch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.step += batch + 1 - self.first  # one, or steps_per_execution

    def _current(self) -> float:
        return float(self.model.optimizer.learning_rate.numpy())


def _has_fixed_rate(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether the learning rate is a number rather than a schedule."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return isinstance(inner.get_config()["learning_rate"], float)
