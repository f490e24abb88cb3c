"""Transformations of images and labels, from which `streams` derives the tasks of a stream."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_ccl.data.missing_labels import UNLABELLED, is_missing
from keras_ccl.data.sources import is_tuple_of_rows

Arrays = tuple[np.ndarray, np.ndarray]
"""Inputs `[N, ...]` and labels `[N]`."""

Transform = Callable[[np.ndarray, np.ndarray], Arrays]
"""A function of inputs and labels that returns new ones."""


class Transformed:
    """A split that is derived from other data only when its task is reached.

    Call it for its rows, or unpack it like the tuple that it returns: `x, y = task.train`.

    Args:
        transform: A function of inputs and labels that returns new ones.
        rows: The inputs and labels to transform, of what NumPy makes arrays of.

    Raises:
        TypeError: If `rows` are anything else.
    """

    transforms: tuple[Transform, ...]

    def __init__(self, transform: Transform, rows: Any) -> None:
        if not (is_tuple_of_rows(rows) and len(rows) == 2):
            raise TypeError(
                f"streams: expected a tuple (x, y) to derive tasks from, received {type(rows)}"
            )
        self.transforms, self.rows = (transform,), (np.asarray(rows[0]), np.asarray(rows[1]))

    def then(self, transform: Transform) -> "Transformed":
        """The same, transformed once more."""
        twin = Transformed(transform, self.rows)
        twin.transforms = (*self.transforms, transform)
        return twin

    def __call__(self) -> Arrays:
        rows = self.rows
        for transform in self.transforms:
            rows = transform(*rows)
        return rows

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self())


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


class HiddenLabels:
    """Hides labels but for some of each class.

    Args:
        fraction: The share of the rows of a class that keep theirs, at least one; or None.
        per_class: The number of them, where there is no share.
        seed: The seed of the choice, together with `number`.
        number: The number of the task.
    """

    def __init__(
        self, fraction: float | None, per_class: int | None, seed: int, number: int
    ) -> None:
        self.fraction, self.per_class = fraction, per_class
        self.seed, self.number = seed, number

    def __call__(self, x: np.ndarray, y: np.ndarray) -> Arrays:
        one_hot = y.ndim == 2 and y.shape[1] > 1
        labels = y.argmax(1) if one_hot else y.reshape(-1)
        given = y.any(1) if one_hot else np.array([not is_missing(label) for label in labels])
        rng = np.random.default_rng([self.seed, self.number])
        shown = np.full(len(y), False)
        for label in sorted(set(labels[given].tolist())):
            rows = np.flatnonzero(given & (labels == label))
            shown[rng.permutation(rows)[: self._kept(len(rows))]] = True
        if one_hot:
            return x, np.where(shown[:, np.newaxis], y, 0)
        text = y.dtype.kind not in "iubf"
        kept = y.astype(object if text else np.result_type(y, np.int8))
        kept[~shown] = None if text else UNLABELLED
        return x, kept

    def _kept(self, rows: int) -> int:
        if self.fraction is None:
            return min(self.per_class or 0, rows)
        return max(round(self.fraction * rows), 1) if self.fraction else 0
