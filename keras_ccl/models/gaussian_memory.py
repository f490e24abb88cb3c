"""GaussianMemory: a Gaussian for each class, which rows are drawn of and which answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds.closed_form import NEVER
from keras_ccl.bounds.discriminants import (
    BELIEFS,
    best_scale,
    quadratic_discriminant,
    whitening,
)
from keras_ccl.data.answered_split import apart
from keras_ccl.data.splits import measured_batches
from keras_ccl.models.class_gaussians import RANK, Batches, ClassGaussians, but_some
from keras_ccl.models.feature_sums import FeatureSums
from keras_ccl.models.memory import Memory
from keras_ccl.training import replicas
from keras_ccl.training.grown_weights import grow

if TYPE_CHECKING:
    from keras_ccl.data.splits import Split

MOST_SIZE = 2048
"""Of x, by default: the covariance of all classes takes 6 D^2 bytes."""

ROOT_ROWS = 2000
"""Of the first task, which tell whether values are negative."""


class GaussianMemory(Memory):
    """Gaussians of the rows of each class, a quadratic discriminant of them, and the sums for both.

    Where no row of the first task has a negative value, as behind a ReLU, they are of square roots,
    which are more like a Gaussian.

    How much of its covariance is a class's own, and how sure the Gaussians may be, is told at the
    start of each task: they learn it but for some rows, whose labels they then tell among those of
    all classes so far, and then those too.

    Args:
        shape: of one x.
        num_classes: K.
        rank: directions in which the covariance of a class is kept, at most.

    Attributes:
        gaussians: `ClassGaussians`.
    """

    logit_weight = 3.0  # docs/experiments.md

    def __init__(self, shape: tuple[int, ...], num_classes: int, *, rank: int = RANK) -> None:
        super().__init__()
        self.gaussians = ClassGaussians(shape, num_classes, rank=rank)
        self.feature_sums = FeatureSums(int(np.prod(shape)), num_classes)

    def size_for(self, rows: int) -> int:
        """How many directions are kept, whatever the rows."""
        return self.gaussians.rank

    def grow(self, size: int, seed: int = 0) -> None:
        """Make the discriminant.

        Args:
            size: as `size_for` gives it.
            seed: not used.

        Raises:
            ValueError: for another size.
        """
        if size != self.gaussians.rank:
            raise ValueError(f"expected {self.gaussians.rank} directions, received {size}")
        super().grow(size, seed)
        self.discriminant = Discriminant(self.gaussians)

    def grow_classes(self, num_classes: int) -> None:
        self.gaussians.grow_classes(num_classes)
        self.feature_sums.grow_classes(num_classes)
        if self.size:
            self.size = self.gaussians.rank
            self.discriminant.grow_with(self.gaussians)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        return self._of_seen(self._seen(x))

    def _of_seen(self, x: tf.Tensor) -> tf.Tensor:
        kept = self.gaussians
        return self.discriminant(x, tf.identity(kept.whitening), tf.identity(kept.factors))

    def _seen(self, x: tf.Tensor) -> tf.Tensor:
        """x `[B, *shape]` as the Gaussians are of it, `[B, D]`."""
        flat = tf.reshape(x, [-1, self.feature_sums.size])
        roots = tf.sqrt(tf.nn.relu(flat)) - tf.sqrt(tf.nn.relu(-flat))
        return tf.where(self.gaussians.root > 0, roots, flat)

    def _batches(self, split: Split, observe: Callable) -> Batches:
        for x, *labels in measured_batches(split):
            yield self._seen(observe(x)), *labels

    def draw(self, n: tf.Tensor, seed: tf.Tensor, *, of_new: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw rows, as `ClassGaussians.draw` does: x `[n, *shape]` and y `[n, K]`."""
        x, y = self.gaussians.draw(n, seed, of_new=of_new)
        return tf.where(self.gaussians.root > 0, x * tf.abs(x), x), y

    def parts_of_answers(self) -> tuple[keras.layers.Layer, ...]:
        return self.gaussians, self.discriminant

    def begin(self, split: Split, observe: Callable) -> None:
        """Learn the new classes, and what to believe. The memory rests.

        Args:
            split: the train rows.
            observe: a function of x that gives `[B, *shape]`.
        """
        self.rest()
        if not split.classes:
            return
        sums = self.feature_sums
        if not sums.counts.numpy().any():
            x, _ = split.some_rows(ROOT_ROWS, seed=0)
            self.gaussians.root.assign(float(tf.reduce_min(observe(tf.constant(x))) >= 0))
            sums.begin(split, lambda x: self._seen(observe(x)))
        values = sums.values()
        held: list[tuple[np.ndarray, ...]] = []
        batches = but_some(self._batches(split, observe), held)
        self.gaussians.begin(split.classes, self._summed(batches, values))
        self._whiten(values)
        if self.size:
            self._learn_belief(held)
        rest = (tuple(map(tf.constant, parts)) for parts in held)
        self.gaussians.add(rest, self.gaussians.new.numpy() > 0)

    def _learn_belief(self, held: list[tuple[np.ndarray, ...]]) -> None:
        """Choose what makes the labels of rows that were not learnt most likely; none tell nothing.

        Args:
            held: of (x, y, weight).
        """
        y, weight = (np.concatenate(parts) for parts in list(zip(*held, strict=True))[1:])
        weight = weight * (self.gaussians.counts.numpy()[y] > 0)
        if not weight.any():
            return
        known, found = self._known(), []
        for number in range(len(BELIEFS)):
            self._solve(known, number)
            self.discriminant.scale.assign(1.0)
            logits = np.concatenate([self._of_seen(tf.constant(part)) for part, *_ in held])
            found.append((*best_scale(logits.astype(np.float64), y, weight), number))
        _, scale, number = min(found)
        self.discriminant.scale.assign(scale)
        self.discriminant.belief.assign(number)

    def learn(self, split: Split, observe: Callable) -> None:
        values = self.feature_sums.values()
        parts = (self._summed(self._batches(part, observe), values) for part in apart(split))
        self.gaussians.end(*parts)
        self.feature_sums.assign(values)
        self._whiten(values)
        if self.size:
            self._solve(self._known(), int(self.discriminant.belief.numpy()))
            self.answers.assign(1.0)

    def _summed(self, batches: Batches, values: list[tf.Tensor]) -> Batches:
        """Batches that are added to values as they pass."""
        for x, *labels in batches:
            values[:] = self.feature_sums.plus(values, x, *labels)
            yield x, *labels

    def _whiten(self, values: list[tf.Tensor]) -> None:
        moments = self.feature_sums.moments(values)
        self.gaussians.whitening.assign(whitening(moments))

    def _known(self) -> tuple[np.ndarray, ...]:
        """What a discriminant follows from, whatever is believed."""
        kept = self.gaussians
        parts = kept.counts, kept.means, kept.factors, kept.whitening
        counts, means, factors, white = (part.numpy().astype(np.float64) for part in parts)
        return counts, means, factors @ white, white

    def _solve(self, known: tuple[np.ndarray, ...], belief: int) -> None:
        """The discriminant of the Gaussians, with one of `BELIEFS`."""
        counts, means, whitened_factors, white = known
        found = quadratic_discriminant(counts, means, whitened_factors, white, BELIEFS[belief])
        for weight, value in zip(self.discriminant.solved, found, strict=True):
            weight.assign(value)


class Discriminant(keras.layers.Layer):
    """Rows `[B, D]` -> `discriminants.Quadratic` of them, `[B, K]`, times a scale.

    Args:
        gaussians: `ClassGaussians`, whose whitening and factors it is given, and does not hold.

    Attributes:
        solved: the weights, in the order of `discriminants.Quadratic`.
        scale: how sure the Gaussians may be.
        belief: which of `BELIEFS` they are solved with.
    """

    def __init__(self, gaussians: ClassGaussians) -> None:
        super().__init__(trainable=False, dtype="float32")
        classes, rank, size = gaussians.factors.shape
        self.centre = replicas.state(self, "centre", (size,))
        self.means = replicas.state(self, "means", (classes, size))
        self.bias = replicas.state(self, "bias", (classes,))
        self.offsets = replicas.state(self, "offsets", (classes, rank))
        self.turned = replicas.state(self, "turned", (classes, rank, rank))
        self.scale = replicas.state(self, "scale", ())
        self.belief = replicas.state(self, "belief", (), "int32")
        self.solved = [self.centre, self.means, self.bias, self.offsets, self.turned]
        self.built = True

    def grow_with(self, gaussians: ClassGaussians) -> None:
        """Have room for the classes that Gaussians have, which are met when it is solved next."""
        classes, rank, size = gaussians.factors.shape
        grow(self.means, (classes, size))
        grow(self.bias, (classes,), NEVER)
        grow(self.offsets, (classes, rank))
        grow(self.turned, (classes, rank, rank))

    def call(self, x: tf.Tensor, whitening: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        classes, rank, size = factors.shape
        white = tf.matmul(x - self.centre, whitening)
        again = tf.matmul(white, whitening, transpose_b=True)
        along = tf.matmul(again, tf.reshape(factors, [-1, size]), transpose_b=True)
        along = tf.reshape(along, [-1, classes, rank]) - self.offsets
        turned = tf.matmul(tf.transpose(along, [1, 0, 2]), self.turned, transpose_b=True)
        own = tf.transpose(tf.reduce_sum(tf.square(turned), 2))
        linear = tf.matmul(white, tf.identity(self.means), transpose_b=True) + self.bias
        return self.scale * (linear + 0.5 * own)
