"""AnsweredSplit: the rows of a task, those without a label labelled by whoever learnt them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.data.missing_labels import UNLABELLED
from keras_ccl.data.splits import MEASURING_BATCH, Split


class AnsweredSplit:
    """A split, once it is learnt, whose missing labels are answers.

    Args:
        split: the rows, as the model sees them.
        answer: x `[B, ...]` -> class indices `[B]` int32.
        alone: whether the labels that rows came with are left out.
    """

    def __init__(
        self, split: Split, answer: Callable[[tf.Tensor], tf.Tensor], *, alone: bool = False
    ) -> None:
        self._split, self._answer, self._alone = split, answer, alone

    def __getattr__(self, name: str) -> Any:
        return getattr(self._split, name)

    def apart(self) -> list[Any]:
        """The rows with the labels that they came with, and with the answers alone."""
        return [self._split, AnsweredSplit(self._split, self._answer, alone=True)]

    def batches(self, batch_size: int) -> Iterator[tuple[tf.Tensor, ...]]:
        """One pass: (x, y) or (x, y, weight)."""
        for x, y, *weight in self._split.batches(batch_size):
            yield x, self._labels(x, y), *weight

    def some_rows(self, most: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `most` rows: arrays x and y."""
        x, y = self._split.some_rows(most, seed=seed)
        parts = [slice(i, i + MEASURING_BATCH) for i in range(0, len(y), MEASURING_BATCH)]
        labels = [self._labels(tf.constant(x[rows]), tf.constant(y[rows])) for rows in parts]
        return x, np.concatenate(labels)

    def _labels(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        own = tf.fill(tf.shape(y), UNLABELLED) if self._alone else y
        return tf.where(y == UNLABELLED, self._answer(x), own)


def apart(split: Any) -> list[Any]:
    """Splits that together have each label of a split once: what it came with, and answers."""
    return split.apart() if isinstance(split, AnsweredSplit) else [split]
