"""Weights that get another shape when a model meets new classes, and stay the objects they are."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np


def grow(variable: keras.Variable, shape: Sequence[int], beyond: Any = 0.0) -> None:
    """Give a weight another shape; what it holds stays in the leading corner.

    Layers, optimizers and methods hold the variable, which stays the same object: Keras knows no
    other way to change a shape. What was traced with the old one has to be traced anew. To be
    called in the scope of the strategy that the model was made in.

    Args:
        variable: the weight.
        shape: the new shape, of as many axes.
        beyond: the values outside of that corner, a number or an array of the new shape.
    """
    if tuple(variable.shape) == tuple(shape):
        return
    old = np.asarray(variable)
    beyond = np.broadcast_to(np.asarray(beyond, old.dtype), tuple(shape))
    replace(variable, with_corner(beyond, old))


def grow_alike(variables: Iterable[keras.Variable], fresh: Iterable[keras.Variable]) -> None:
    """Give each of several weights the shape of a fresh one, whose values are those beyond."""
    for variable, twin in zip(variables, fresh, strict=True):
        grow(variable, twin.shape, np.asarray(twin))


def with_corner(beyond: np.ndarray, old: np.ndarray) -> np.ndarray:
    """A copy of an array whose leading corner is that of another, of as many axes."""
    new = beyond.copy()
    corner = tuple(slice(min(sizes)) for sizes in zip(old.shape, new.shape, strict=True))
    new[corner] = old[corner]
    return new


def replace(variable: keras.Variable, value: np.ndarray) -> None:
    """Give a weight a value of another shape."""
    variable._initialize(value)
    variable._shape = tuple(value.shape)
