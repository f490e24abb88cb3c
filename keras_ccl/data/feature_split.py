"""FeatureSplit: the features that a backbone makes of the rows of a task, read again and again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.splits import Split

MOST_BYTES_IN_MEMORY = 2**31
"""Features of a split that take more are kept in a temporary file."""

BATCH = 256
"""Rows that pass through the backbone at once."""


class FeatureSplit(ArraySplit):
    """Features of rows, made in one pass, in memory or in a temporary file without a name.

    Nothing holds it but the task under way: what it keeps is gone with it.

    Args:
        split: the rows.
        features: x `[B, *input_shape]` -> `[B, *shape]`.
        shape: of the features of one row.

    Raises:
        ValueError: for features that are not finite, or another number of rows than was checked.
    """

    def __init__(
        self, split: Split, features: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...]
    ) -> None:
        size = (split.rows, *shape)
        self.on_disk = 4 * int(np.prod(size)) > MOST_BYTES_IN_MEMORY
        x = _in_a_file(size) if self.on_disk else np.empty(size, np.float32)
        rest: list[list[np.ndarray]] = []
        done = 0
        with split.measured():
            for rows, *others in split.batches(BATCH):
                _check_number(split, done + len(rows), at_most=True)
                x[done : done + len(rows)] = features(rows).numpy()
                rest.append([part.numpy() for part in others])
                done += len(rows)
        _check_number(split, done)
        y, *weight = (np.concatenate(parts) for parts in zip(*rest, strict=True))
        spec = split.spec.of_indices._replace(input_shape=shape, unit_range=False)
        super().__init__(x, y, spec, f"{split.where}, features of the backbone", *weight)
        self._own_batch = split.own_batch and max(len(y) for y, *_ in rest)
        if not self.on_disk:
            self._held = self._tensors()

    @property
    def own_batch(self) -> int | None:
        return self._own_batch

    def held(self) -> FeatureSplit:
        """Itself: nobody else has its arrays."""
        return self

    def some_rows(self, most: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.random.default_rng(seed).permutation(self.rows)[:most]
        return np.asarray(self.x[chosen]), self.y[chosen]

    def _gather(self, indices: tf.data.Dataset) -> tf.data.Dataset:
        if not self.on_disk:
            return super()._gather(indices)
        parts = self._arrays()

        def read(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
            dtypes = [part.dtype for part in parts]
            found = tf.numpy_function(lambda i: [part[i] for part in parts], [index], dtypes)
            shapes = [(None, *part.shape[1:]) for part in parts]
            return tuple(tf.ensure_shape(f, s) for f, s in zip(found, shapes, strict=True))

        return self._delivered(indices.map(read))


def _in_a_file(shape: tuple[int, ...]) -> np.ndarray:
    """Room for float32 numbers, which the system frees when nobody refers to it any more."""
    return np.memmap(tempfile.TemporaryFile(), np.float32, "w+", shape=shape)


def _check_number(split: Split, rows: int, *, at_most: bool = False) -> None:
    if rows > split.rows or (rows < split.rows and not at_most):
        found = f"more than {split.rows}" if rows > split.rows else f"{rows}"
        raise ValueError(
            f"{split.where}: expected {split.rows} rows, as when they were checked, "
            f"received {found}"
        )
