"""Memory: what statistics of real rows of all tasks say beside the networks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from keras_ccl.training import replicas

if TYPE_CHECKING:
    from keras_ccl.data.splits import Split
    from keras_ccl.models.feature_sums import FeatureSums


class Memory(keras.layers.Layer):
    """A classifier on what does not change, which has seen every row and forgets nothing.

    Networks that learn classes one after another tell those of a task apart by real rows of both,
    and those of different tasks by real rows of the one and generated rows of the other. The
    statistics of a memory are of real rows of all. The two experts multiply: log p(y|x) of the
    networks plus the logits of the memory, times their weight.

    It takes no part in an answer before `grow`, nor while a task is learnt.

    Attributes:
        size: what `grow` was given, 0 before it.
        logit_weight: what its logits weigh beside those of the networks.
    """

    logit_weight: float
    feature_sums: FeatureSums

    def __init__(self) -> None:
        super().__init__(trainable=False, dtype="float32")
        self.size = 0
        self.built = True

    @property
    def counts(self) -> keras.Variable:
        """How many rows of each class it was given, or the sums of their weights, `[K]`."""
        return self.feature_sums.counts

    def size_for(self, rows: int) -> int:
        """The size that is right where the first task has so many rows."""
        raise NotImplementedError

    def grow(self, size: int, seed: int = 0) -> None:
        """Make the weights that it answers with.

        Args:
            size: as `size_for` gives it.
            seed: of what is drawn.
        """
        self.size = size
        self.answers = replicas.state(self, "answers", ())

    def grow_classes(self, num_classes: int) -> None:
        """Have room for more classes.

        Args:
            num_classes: K.
        """
        raise NotImplementedError

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Logits `[B, K]`, for x `[B, *observed_shape]`."""
        raise NotImplementedError

    def together(self, logits: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Logits of networks and memory together.

        Args:
            logits: of the networks, `[B, K]`.
            x: `[B, *observed_shape]`.
        """
        return tf.nn.log_softmax(tf.cast(logits, tf.float32)) + self.logit_weight * self.logits(x)

    def beside(self, logits: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """The same; those of the networks alone while a task is learnt."""
        if not self.size:
            return logits
        alone = tf.cast(logits, tf.float32)
        return tf.where(self.answers > 0, self.together(logits, x), alone)

    def answering_parts(self) -> tuple[keras.layers.Layer, ...]:
        """The layers that it answers with now: none while a task is learnt."""
        if not self.size or self.answers.numpy() <= 0:
            return ()
        return self.parts_of_answers()

    def parts_of_answers(self) -> tuple[keras.layers.Layer, ...]:
        """The layers whose weights its logits follow from."""
        raise NotImplementedError

    def rest(self) -> None:
        """Take no part in answers: of the classes that come next the memory knows nothing."""
        if self.size:
            self.answers.assign(tf.minimum(self.answers, 0.0))

    def begin(self, split: Split, observe: Callable) -> None:
        """Called before a task is learnt; the memory rests.

        Args:
            split: the train rows.
            observe: a function of x that gives `[B, *observed_shape]`.
        """
        self.rest()

    def learn(self, split: Split, observe: Callable) -> None:
        """Called after a task is learnt: add its rows, in one pass, and answer from all.

        Args:
            split: the train rows.
            observe: a function of x that gives `[B, *observed_shape]`.
        """
        raise NotImplementedError

    def forget(self, classes: Collection[int], rows: Split | None, observe: Callable) -> None:
        """Take out all that it keeps of some classes, or where it cannot, all that it keeps.

        Args:
            classes: their indices.
            rows: all rows of them that were learnt; None: they are gone.
            observe: a function of x that gives `[B, *observed_shape]`.

        Raises:
            ValueError: for rows that are not those that were learnt, before anything changes.
        """
        raise NotImplementedError
