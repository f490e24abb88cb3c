"""StreamBound: the bound on log p(x, y) of rows before they are learnt."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.splits import MEASURING_BATCH

MEASURING_SEED = (0, 1)

UNKNOWN_CLASS = -20.0
"""log p(y|z), in nats, of a class that a model has no room for yet."""


class _Labelled(NamedTuple):
    x: tf.Tensor
    y: tf.Tensor


class StreamBound:
    """The terms of a student's bound on log p(x, y), row by row.

    Args:
        model: the student, a `JointVAE`.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._classes = model, 0

    def __call__(self, rows: ArraySplit) -> np.ndarray:
        """The bound on log p(x), and log p(y|z), of each row, `[N, 2]`, in nats."""
        if self._classes != self._model.num_classes:
            self._classes = self._model.num_classes
            self._terms = self._traced()
        starts = range(0, rows.rows, MEASURING_BATCH)
        parts = [(rows.x[i : i + MEASURING_BATCH], rows.y[i : i + MEASURING_BATCH]) for i in starts]
        return np.concatenate([self._terms(*map(tf.constant, part)).numpy() for part in parts])

    def _traced(self) -> tf.types.experimental.PolymorphicFunction:
        model, classes = self._model, self._classes

        def terms(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            found = model.infer(x, MEASURING_SEED)
            each = model.joint_terms(_Labelled(x, tf.one_hot(y, classes)), found)
            of_x = each["reconstruction"] + each["kl"]
            of_y = tf.where(y < classes, each["classification"], -UNKNOWN_CLASS)
            return -tf.cast(tf.stack([of_x, of_y], 1), tf.float32)

        x = tf.TensorSpec((None, *model.observed_shape), tf.float32)
        return tf.function(terms, input_signature=[x, tf.TensorSpec([None], tf.int32)])
