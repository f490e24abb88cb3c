"""Transformations of images and labels, from which `streams` derives the tasks of a stream."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_ccl.data.sources import is_tuple_of_rows

Arrays = tuple[np.ndarray, np.ndarray]
"""Inputs `[N, ...]` and labels `[N]`."""


class Transformed:
    """A split that is derived from other data only when its task is reached.

    Args:
        transform: A function of inputs and labels that returns new ones.
        rows: The inputs and labels to transform, of what NumPy makes arrays of.

    Raises:
        TypeError: If `rows` are anything else.
    """

    def __init__(self, transform: Callable[[np.ndarray, np.ndarray], Arrays], rows: Any) -> None:
        if not (is_tuple_of_rows(rows) and len(rows) == 2):
            raise TypeError(
                f"streams: expected a tuple (x, y) to derive tasks from, received {type(rows)}"
            )
        self.transform, self.rows = transform, (np.asarray(rows[0]), np.asarray(rows[1]))

    def __call__(self) -> Arrays:
        return self.transform(*self.rows)


class Permutation:
    """Puts the pixels of every image into the same random order.

    Args:
        seed: The seed of the order, together with `number`.
        number: The number of the permutation; 0 leaves the images as they are.
    """

    def __init__(self, seed: int, number: int) -> None:
        self.seed, self.number = seed, number

    def __call__(self, x: np.ndarray, y: np.ndarray) -> Arrays:
        if self.number == 0:
            return x, y
        flat = x.reshape(len(x), -1)
        order = np.random.default_rng([self.seed, self.number]).permutation(flat.shape[1])
        return flat[:, order].reshape(x.shape), y


class Rotation:
    """Rotates images `[N, height, width, channels]` counter-clockwise about their centre.

    Args:
        degrees: The angle; 0 leaves the images as they are.
    """

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __call__(self, x: np.ndarray, y: np.ndarray) -> Arrays:
        if x.ndim != 4:
            raise ValueError(f"expected images [N, height, width, channels], received {x.shape}")
        if self.degrees == 0:
            return x, y
        rotated = [self._rotate(x[i : i + 10_000]) for i in range(0, len(x), 10_000)]
        return np.concatenate(rotated), y

    def _rotate(self, x: np.ndarray) -> np.ndarray:
        cos, sin = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        row, column = (x.shape[1] - 1) / 2, (x.shape[2] - 1) / 2
        shift_x = column - cos * column + sin * row  # keeps the centre in place
        shift_y = row - sin * column - cos * row
        transform = [cos, -sin, shift_x, sin, cos, shift_y, 0, 0]
        each = np.tile(np.array(transform, np.float32), (len(x), 1))
        rotated = keras.ops.image.affine_transform(x, each, data_format="channels_last")
        if x.dtype == np.uint8:  # see `byte_inputs`
            return np.clip(np.rint(rotated), 0, 255).astype(np.uint8)
        return np.clip(rotated, 0, 1)


class ClassSelection:
    """Keeps the images of some classes.

    Args:
        classes: The labels to keep.
    """

    def __init__(self, classes: Sequence[Any]) -> None:
        self.classes = classes

    def __call__(self, x: np.ndarray, y: np.ndarray) -> Arrays:
        chosen = np.isin(y, self.classes).reshape(len(y))
        return x[chosen], y[chosen]
