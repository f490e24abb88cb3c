"""ClassGaussians: how rows of each class lie, from which rows like them are drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds.low_rank import LowRank
from keras_ccl.training import replicas
from keras_ccl.training.grown_weights import grow

RANK = 60
"""Directions in which the covariance of a class is kept, at most."""

MOST_BYTES = 50e6
"""Where there are many classes of many features, there are as few directions as this allows."""

OWN_SHARE, SHRINKAGE_ROWS = 0.5, 20
"""Of the covariance of a drawn row, the share that is of its own class, the rest is that of all.
A class of few rows has less, as if so many more had told nothing of its own."""

ROWS_AT_ONCE = 512

HELD_EVERY, MOST_HELD = 5, 2000
"""Of the rows of a task, the share and the number that tell how sure the Gaussians may be."""


Batches = Iterable[tuple[tf.Tensor, ...]]
"""Of rows `[B, D]` and labels `[B]`, with weights `[B]` or without."""


class ClassGaussians(keras.layers.Layer):
    """A Gaussian for each class: a mean, a covariance of low rank and a diagonal.

    They follow from real rows of all tasks, once each. A drawn row of a class is its mean, noise of
    its own covariance, and noise of the covariance about the means of all classes: together they
    have the shrunk covariance of regularised discriminant analysis (Friedman 1989), and no class
    needs a full one. The noise of a row is scaled as a whole, by a log-normal factor whose mean
    square is 1, so that distances from the mean vary as they do among real rows: some images have
    more contrast.

    Classes that are new in the task under way are known from its start, so that real rows need not
    stand against drawn ones; those that come again are merged with what is known at its end. A task
    that is begun anew, after a stop, is known anew.

    Args:
        shape: of one row.
        num_classes: K.
        rank: directions in which the covariance of a class is kept, at most.

    Attributes:
        counts: `[K]`, rows, or the sums of their weights; 0 for a class not met.
        factors: `[K, r, D]`, the directions of each class, each as long as the deviation along it.
        rest: `[K, D]`, the variances that they leave.
        heaviness: `[K]`, the variance of the logs of distances beyond that of a Gaussian.
        new: `[K]`, 1 for the classes that are new in the task under way.
        whitening: `[D, D]`, as in `discriminants.whitening`, of the rows of all tasks.
        root: whether rows are the square roots of what they stand for, 1 or 0.
    """

    def __init__(self, shape: tuple[int, ...], num_classes: int, *, rank: int = RANK) -> None:
        super().__init__(trainable=False, dtype="float32")
        self.shape, size = shape, int(np.prod(shape))
        self.rank, self._most = rank_for(size, num_classes, rank), rank
        self.counts = replicas.state(self, "counts", (num_classes,))
        self.new = replicas.state(self, "new", (num_classes,))
        self.means = replicas.state(self, "means", (num_classes, size))
        self.factors = replicas.state(self, "factors", (num_classes, self.rank, size))
        self.rest = replicas.state(self, "rest", (num_classes, size))
        self.heaviness = replicas.state(self, "heaviness", (num_classes,))
        self.whitening = replicas.state(self, "whitening", (size, size))
        self.root = replicas.state(self, "root", ())
        self.built = True

    def grow_classes(self, num_classes: int) -> None:
        """Have room for more classes, with fewer directions each where all would take too much."""
        size = self.means.shape[1]
        rank = rank_for(size, num_classes, self._most)
        left = np.square(self.factors.numpy()[:, rank:]).sum(1)  # the longest come first
        self.rest.assign(self.rest.numpy() + left)
        self.rank = rank
        for state in (self.counts, self.new, self.heaviness):
            grow(state, (num_classes,))
        for state in (self.means, self.rest):
            grow(state, (num_classes, size))
        grow(self.factors, (num_classes, rank, size))

    def begin(self, classes: Collection[int], batches: Batches) -> None:
        """Learn the classes that no earlier task had.

        Args:
            classes: of the task.
            batches: of its rows.
        """
        known = self.counts.numpy() * (1 - self.new.numpy())
        self.counts.assign(known)
        new = np.zeros_like(known)
        new[[k for k in classes if not known[k]]] = 1
        self.add(batches, new > 0)
        self.new.assign(new)

    def end(self, batches: Batches, answered: Batches = ()) -> None:
        """Add the rows of the other classes; no class is new any more.

        Args:
            batches: of the rows of the same task.
            answered: of rows that `begin` did not see, having had no label.
        """
        self.add(batches, self.new.numpy() == 0)
        self.add(answered, np.full(self.new.shape[0], True))
        self.new.assign(np.zeros_like(self.new.numpy()))

    def add(self, batches: Batches, wanted: np.ndarray) -> None:
        """Add rows of some classes.

        Args:
            batches: of rows of any.
            wanted: `[K]`, whether rows of a class are added.
        """
        states = self.counts, self.means, self.factors, self.rest, self.heaviness
        kept = [state.numpy() for state in states]
        for k, x, weight in _rows_by_class(batches, wanted):
            found = LowRank(*(part[k] for part in kept)).with_rows(x, weight)
            for part, value in zip(kept, found, strict=True):
                part[k] = value
        for state, value in zip(states, kept, strict=True):
            state.assign(value)

    def draw(self, n: tf.Tensor, seed: tf.Tensor, *, of_new: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Draw rows.

        Args:
            n: how many.
            seed: a stateless seed, `[2]` int32.
            of_new: whether classes that are new in the task under way are among them.

        Returns:
            x `[n, *shape]`.
            y `[n, K]`, one-hot: classes are drawn as often as they were met.
        """
        of_class, of_own, of_rest, of_all, of_scale = tf.unstack(
            tf.random.experimental.stateless_split(seed, 5)
        )
        counts, means = tf.identity(self.counts), tf.identity(self.means)
        met = counts if of_new else counts * (1 - self.new)
        y = tf.random.stateless_categorical(tf.math.log(met)[tf.newaxis], n, of_class)[0]
        of_y = tf.gather(counts, y)
        own = (OWN_SHARE * of_y / (of_y + SHRINKAGE_ROWS))[:, tf.newaxis]
        lengths = tf.random.stateless_normal([n, 1, self.rank], of_own)
        of_own_class = tf.matmul(lengths, tf.gather(tf.identity(self.factors), y))[:, 0]
        deviation = tf.sqrt(tf.gather(tf.identity(self.rest), y))
        of_own_class += deviation * tf.random.stateless_normal(tf.shape(deviation), of_rest)
        white = tf.random.stateless_normal([means.shape[1], n], of_all)
        of_any = tf.linalg.triangular_solve(tf.identity(self.whitening), white, adjoint=True)
        noise = tf.sqrt(own) * of_own_class + tf.sqrt(1 - own) * tf.transpose(of_any)
        variance = tf.linalg.tensordot(counts, self.heaviness, 1) / tf.reduce_sum(counts)
        scale = tf.exp(tf.sqrt(variance) * tf.random.stateless_normal([n, 1], of_scale) - variance)
        x = tf.gather(means, y) + scale * noise
        return tf.reshape(x, [-1, *self.shape]), tf.one_hot(y, self.counts.shape[0])


def rank_for(size: int, num_classes: int, most: int = RANK) -> int:
    """In how many directions the covariance of each of K classes of D features is kept."""
    of_all = 2 * size**2  # whitening, and products that it follows from
    vectors = (MOST_BYTES / 4 - of_all) / (size * num_classes)
    return min(most, size, max(int(vectors) - 2, 1))  # mean and diagonal are two


def _rows_by_class(
    batches: Batches, wanted: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Rows `[n, D]` of one wanted class after another, some hundreds at once, and their weights."""
    waiting: dict[int, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)

    def joined(k: int) -> tuple[int, np.ndarray, np.ndarray]:
        x, weight = (np.concatenate(parts) for parts in zip(*waiting.pop(k), strict=True))
        return k, x, weight

    for x, y, *weight in batches:
        rows, classes = x.numpy().astype(np.float64), y.numpy()
        weights = weight[0].numpy().astype(np.float64) if weight else np.ones(len(rows))
        for k in np.unique(classes[(classes >= 0) & wanted[classes]]):
            of_k = classes == k
            waiting[k].append((rows[of_k], weights[of_k]))
            if sum(len(part) for part, _ in waiting[k]) >= ROWS_AT_ONCE:
                yield joined(k)
    for k in list(waiting):
        yield joined(k)


def but_some(
    batches: Batches, held: list[tuple[np.ndarray, ...]]
) -> Iterator[tuple[tf.Tensor, ...]]:
    """Batches of the rows that have a label but for some, which are put into a list.

    Args:
        batches: of rows `[B, D]` and labels `[B]`, -1 for a row without one.
        held: of (x, y, weight), which is added to.
    """
    for x, y, *weight in batches:
        rows = x, y, weight[0] if weight else tf.ones(len(x))
        parts = [tf.boolean_mask(part, y >= 0) for part in rows]
        out = np.arange(len(parts[0])) % HELD_EVERY == HELD_EVERY - 1
        if sum(len(part) for _, part, _ in held) < MOST_HELD:
            held.append(tuple(part.numpy()[out] for part in parts))
        else:
            out[:] = False
        yield tuple(tf.boolean_mask(part, ~out) for part in parts)
