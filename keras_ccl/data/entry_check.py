"""EntryCheck: rows of a `tf.data.Dataset` are checked wherever they enter, at next to no cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.data.byte_inputs import is_bytes
from keras_ccl.data.missing_labels import NO_NAME, UNLABELLED
from keras_ccl.data.validation import DataSpec, check_rows, check_shape, check_weight


class EntryCheck:
    """Tells in the graph whether a batch fits; for one that does not, `check_rows` tells why.

    Use it in `tf.data.Dataset.map`: rows that do not fit fail there with an `OpError`.

    Args:
        spec: what the model expects of rows.
        where: their name in errors.

    Attributes:
        refused: the error about rows that did not fit, or None.
    """

    def __init__(self, spec: DataSpec, where: str) -> None:
        self.spec, self.where = spec, where
        self.refused: ValueError | None = None

    def __call__(self, *parts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The parts of a batch, (x, y) or (x, y, weight) as the user gave them, checked."""
        told = tf.cond(
            self._fits(*parts),
            lambda: tf.constant(True),
            lambda: tf.numpy_function(self._refuse, parts, tf.bool),
        )
        with tf.control_dependencies([told]):
            return tuple(tf.identity(part) for part in parts)

    def check(
        self, x: np.ndarray, y: np.ndarray, *weight: np.ndarray, learns: bool = False
    ) -> np.ndarray:
        """Raise a ValueError for a batch that does not fit; the class indices of one that does.

        Where it `learns`, names of classes may be new.
        """
        if learns:
            self.spec = self.spec.extended(y, self.where)
        _, labels = check_rows(x, y, self.spec, self.where)
        if weight:
            check_weight(weight[0], len(x), self.where)
        return labels

    def _fits(self, x: tf.Tensor, y: tf.Tensor, *weight: tf.Tensor) -> tf.Tensor:
        """Whether a batch fits, a boolean scalar. A comparison with NaN is false."""
        held = [tf.shape(x)[0] == tf.shape(y)[0], self._labels_fit(y)]
        if self.spec.unit_range and not is_bytes(x.dtype, True):
            x = x if x.dtype.is_floating else tf.cast(x, tf.float32)
            held.append(tf.reduce_all((x >= 0) & (x <= 1)))
        elif x.dtype.is_floating:
            held.append(tf.reduce_all(tf.math.is_finite(x)))
        for part in weight:
            part = tf.cast(part, tf.float64)
            held.append(tf.reduce_all((part >= 0) & tf.math.is_finite(part)))
        return tf.reduce_all(tf.stack(held))

    def _labels_fit(self, y: tf.Tensor) -> tf.Tensor:
        if self.spec.labels is not None:
            return tf.reduce_all(tf.reduce_any(self._is_name(y), 1) | self._is_missing(y))
        y, classes = tf.cast(y, tf.float64), self.spec.num_classes
        if y.shape.rank == 2 and y.shape[1] == classes and classes != 1:
            one_hot = tf.reduce_sum(y, 1) <= 1
            return tf.reduce_all((y == 0) | (y == 1)) & tf.reduce_all(one_hot)
        return tf.reduce_all((y >= UNLABELLED) & (y < classes) & (y == tf.floor(y)))

    def indices(self, y: tf.Tensor) -> tf.Tensor:
        """The class indices `[B]` int32 of labels that fit, -1 for a row without a label."""
        if self.spec.labels is not None:
            if not self.spec.labels.names:
                return tf.fill([tf.size(y)], UNLABELLED)
            found = tf.argmax(self._is_name(y), 1, tf.int32)
            return tf.where(self._is_missing(y), UNLABELLED, found)
        if y.shape.rank == 2:
            if y.shape[1] == self.spec.num_classes and y.shape[1] != 1:
                found = tf.argmax(y, 1, tf.int32)
                return tf.where(tf.reduce_any(y != 0, 1), found, UNLABELLED)
            y = y[:, 0]
        return tf.cast(y, tf.int32)

    def _is_name(self, y: tf.Tensor) -> tf.Tensor:
        """Whether each label `[B]` is each of the names, `[B, K]`."""
        assert self.spec.labels is not None
        y, names = _flat(y), list(self.spec.labels.names)
        are_text = bool(names) and isinstance(names[0], str)
        if names and are_text != (y.dtype == tf.string):
            return tf.fill([tf.size(y), len(names)], False)
        return y[:, tf.newaxis] == tf.constant(names, y.dtype)

    def _is_missing(self, y: tf.Tensor) -> tf.Tensor:
        """Whether each label `[B]` is what marks a row without one, `[B]`."""
        assert self.spec.labels is not None
        y = _flat(y)
        mark = NO_NAME if y.dtype == tf.string else UNLABELLED
        if mark in self.spec.labels.names:
            return tf.fill([tf.size(y)], False)
        return y == tf.constant(mark, y.dtype)

    def _refuse(self, *parts: np.ndarray) -> bool:
        try:
            self.check(*parts)
        except ValueError as error:
            self.refused = error
            raise
        return True


def _flat(y: tf.Tensor) -> tf.Tensor:
    """Labels `[B]` or `[B, 1]` as `[B]` strings, integers with a sign, or floats."""
    y = tf.reshape(y, [-1])
    if y.dtype == tf.string:
        return y
    return tf.cast(y, tf.float64 if y.dtype.is_floating else tf.int64)


def is_batched(element: Any, spec: DataSpec, where: str) -> bool:
    """Whether the elements of a dataset are batches, not rows.

    Args:
        element: the `element_spec` of the dataset.
        spec: what the model expects of rows.
        where: their name in errors.

    Raises:
        ValueError: for elements that are neither.
    """
    if not (isinstance(element, tuple) and len(element) in (2, 3)):
        raise ValueError(
            f"{where}: expected a dataset of (x, y) or (x, y, sample_weight), received {element}"
        )
    shape = element[0].shape
    if shape.rank is None:
        raise ValueError(f"{where}: expected x of known rank, received {element[0]}")
    batched = shape.rank == len(spec.input_shape) + 1
    check_shape(tuple(shape[1:] if batched else shape), spec, where)
    return batched


def message_of(error: tf.errors.OpError) -> str:
    """What a `tf.errors.OpError` tells, without the name of the operation before it."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()] or [repr(error)]
    return next((line for line in lines if "Error: " in line), lines[0]).split("}} ")[-1]
