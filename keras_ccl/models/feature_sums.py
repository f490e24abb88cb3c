"""FeatureSums: counts, sums and second moments of features, all that is kept of the rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds.closed_form import Linear, Moments
from keras_ccl.bounds.objectives import has_label
from keras_ccl.training import replicas
from keras_ccl.training.grown_weights import grow

if TYPE_CHECKING:
    from keras_ccl.data.splits import Split

MOST_FEATURES = 3900
"""By default: their sums take 34 MB."""

BLOCKS = 8
"""Of features, of about the same size: products of two blocks are kept once, not twice."""

OFFSET_ROWS = 500
"""Of the first task, whose mean features the sums are taken about."""


class FeatureSums(keras.layers.Layer):
    """Sums over rows, by class, of features less an offset, float32.

    In float32 the products of features that hardly vary would hold little but their mean, so that
    all sums are taken about an offset that is near to it.

    Args:
        size: D.
        num_classes: K.
        pairs: whether the products of all pairs of features are kept, or their squares alone.

    Attributes:
        offset: `[D]`.
        counts: `[K]`.
        sums: `[K, D]`.
        products: of each block of features with itself and the later ones, one after another; or
            `[D]`.
    """

    def __init__(self, size: int, num_classes: int, *, pairs: bool = True) -> None:
        super().__init__(trainable=False, dtype="float32")
        self.pairs, self.size = pairs, size
        self.offset = replicas.state(self, "offset", (size,))
        self.counts = replicas.state(self, "counts", (num_classes,))
        self.sums = replicas.state(self, "sums", (num_classes, size))
        kept = sum(math.prod(self._shape_of(block)) for block in self._blocks()) if pairs else size
        self.products = replicas.state(self, "products", (kept,))
        self.built = True

    @property
    def kept(self) -> tuple[keras.Variable, ...]:
        """Counts, sums and products."""
        return self.counts, self.sums, self.products

    @property
    def kept_bytes(self) -> int:
        """Bytes of counts, sums and products."""
        return sum(weight.numpy().nbytes for weight in self.kept)

    def grow_classes(self, num_classes: int) -> None:
        """Have sums of more classes."""
        grow(self.counts, (num_classes,))
        grow(self.sums, (num_classes, self.size))

    def begin(self, split: Split, featurize: Callable) -> None:
        """Take the mean features of some rows of the first task as the offset.

        Args:
            split: the rows.
            featurize: x `[B, *input_shape]` -> features `[B, D]`.
        """
        x, _ = split.some_rows(OFFSET_ROWS, seed=0)
        self.offset.assign(tf.reduce_mean(featurize(tf.constant(x)), 0))

    def of_rows(
        self, features: tf.Tensor, y: tf.Tensor, weight: tf.Tensor | None
    ) -> tuple[tf.Tensor, ...]:
        """What rows add to counts, sums and products.

        Args:
            features: `[B, D]`.
            y: `[B, K]`, one-hot; 0 for a row without a label, which adds nothing.
            weight: `[B]`, how much each row counts, or None.
        """
        about = features - self.offset
        weighed = about * has_label(y)[:, tf.newaxis]
        if weight is not None:
            y, weighed = (part * weight[:, tf.newaxis] for part in (y, weighed))
        if self.pairs:
            rows = [
                tf.matmul(weighed[:, block], about[:, block.start :], transpose_a=True)
                for block in self._blocks()
            ]
            products = tf.concat([tf.reshape(row, [-1]) for row in rows], 0)
        else:
            products = tf.reduce_sum(weighed * about, 0)
        return tf.reduce_sum(y, 0), tf.matmul(y, about, transpose_a=True), products

    def values(self) -> list[tf.Tensor]:
        """Counts, sums and products, apart from the weights that hold them."""
        return [tf.identity(weight) for weight in self.kept]

    def plus(
        self, values: list[tf.Tensor], features: tf.Tensor, y: tf.Tensor, *weight: tf.Tensor
    ) -> list[tf.Tensor]:
        """Values with those of rows added.

        Args:
            values: as `values` gives them.
            features: `[B, D]`.
            y: `[B]`, labels, -1 for a row without one.
            *weight: `[B]`, how much each row counts, or nothing.
        """
        one_hot = tf.one_hot(y, self.counts.shape[0])
        added = self.of_rows(features, one_hot, weight[0] if weight else None)
        return [old + new for old, new in zip(values, added, strict=True)]

    def assign(self, values: list[tf.Tensor]) -> None:
        """Keep values in place of those that are kept."""
        for weight, value in zip(self.kept, values, strict=True):
            weight.assign(value)

    def moments(self, values: list[tf.Tensor] | None = None) -> Moments:
        """The sums so far, float64, of features less `offset`.

        Args:
            values: as `values` gives them; None: those that are kept.
        """
        found = self.values() if values is None else values
        counts, sums, products = (value.numpy().astype(np.float64) for value in found)
        return Moments(counts, sums, self._unpacked(products) if self.pairs else products)

    def solved(self, solve: Callable[[Moments], Linear]) -> Linear:
        """The classifier, of features as they are, that `solve` finds from those less `offset`."""
        found = solve(self.moments())
        return found._replace(centre=found.centre + self.offset.numpy())

    def _blocks(self) -> list[slice]:
        edges = [self.size * k // BLOCKS for k in range(BLOCKS + 1)]
        return [slice(*ends) for ends in itertools.pairwise(edges)]

    def _shape_of(self, block: slice) -> tuple[int, int]:
        """Of the products of a block with itself and the later ones."""
        return block.stop - block.start, self.size - block.start

    def _unpacked(self, products: np.ndarray) -> np.ndarray:
        """All products `[D, D]`, of those that are kept."""
        found = np.empty((self.size, self.size))
        for block in self._blocks():
            row, products = np.split(products, [math.prod(self._shape_of(block))])
            found[block, block.start :] = row.reshape(self._shape_of(block))
            found[block.start :, block] = found[block, block.start :].T
        return found
