"""StreamWatch: whether rows that come are like those of the segment so far."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.bounds.distributions import NEVER, standard_normal
from keras_ccl.bounds.divergences import kl_divergence
from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.missing_labels import UNLABELLED
from keras_ccl.data.splits import MEASURING_BATCH, MEASURING_SEED
from keras_ccl.training.change import find_change

UNKNOWN_CLASS = -20.0
"""log p(y|z), in nats, of a class that a copy has no room for, or has forgotten."""

REFERENCE_ROWS = 2048
"""That a copy has not learnt tell what is usual, at most."""


class StreamWatch:
    """Compares rows by the bound of a frozen copy of the student, made as the segment is learnt.

    The student itself learns what fades in, and would not notice. A copy has learnt neither the
    rows that come nor those that it compares them with, the first after it was made. A new one is
    made whenever a segment has doubled; the one before watches until it knows what is usual.

    Args:
        model: the student.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._spare: list[_Copy] = []
        self._copies: list[_Copy] = []
        self._next = 0

    def begin(self) -> None:
        """A segment begins."""
        self._spare += self._copies
        self._copies, self._next = [], 0

    def change(self, rows: ArraySplit) -> int | None:
        """The first of the rows that is not like those before, if one is, before they are learnt.

        Args:
            rows: that come.
        """
        for copy in self._copies:
            copy.take(rows)
        found = [find_change(copy.usual, copy.latest) for copy in self._copies]
        return next((row for row in found if row is not None), None)

    def learnt(self, seen: int) -> None:
        """Called when the rows of the last `change` were learnt, and no change was found.

        Args:
            seen: how many rows of the segment have come.
        """
        for copy in self._copies:
            copy.remember()
        if len(self._copies) > 1:
            self._spare.append(self._copies.pop(0))
        if seen >= self._next:
            self._copies.append(self._new())
            self._next = 2 * seen

    def _new(self) -> _Copy:
        """A copy of the student as it is now."""
        model = self._model
        known = model.num_classes, model.forgotten
        fitting = [c for c in self._spare if c.known == known]
        self._spare = fitting[1:]
        copy = fitting[0] if fitting else _Copy(model)
        copy.begin(model)
        return copy


class _Copy:
    """A frozen copy of a student, with the bounds of rows that it has not learnt."""

    def __init__(self, model: Any) -> None:
        with model.distribute_strategy.scope():
            self._copy = model.frozen_copy("watch")
        self.known = model.num_classes, model.forgotten
        x = tf.TensorSpec((None, *self._copy.input_shape), tf.float32)
        self._terms = tf.function(
            self._bound, input_signature=[x, tf.TensorSpec([None], tf.int32)], autograph=False
        )

    def begin(self, model: Any) -> None:
        """Take the weights of the student."""
        self._copy.take_weights_of(model)
        self.usual = self.latest = np.zeros((0, 2), np.float32)

    def take(self, rows: ArraySplit) -> None:
        """Note the bound on log p(x), and log p(y|z) or NaN without a label, of each row, nats."""
        starts = range(0, rows.rows, MEASURING_BATCH)
        parts = [(rows.x[i : i + MEASURING_BATCH], rows.y[i : i + MEASURING_BATCH]) for i in starts]
        found = [self._terms(*map(tf.constant, part)).numpy() for part in parts]
        self.latest = np.concatenate(found)

    def remember(self) -> None:
        """The latest rows tell what is usual, where not enough did."""
        if len(self.usual) < REFERENCE_ROWS:
            self.usual = np.concatenate([self.usual, self.latest])

    def _bound(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        copy = self._copy
        found = copy.infer(x, MEASURING_SEED)
        of_x = found.p_x.log_prob(x) - kl_divergence(found.q, standard_normal(copy.latent_dim))
        each = tf.math.log_softmax(tf.cast(found.p_y.logits_parameter(), tf.float32))
        of_y = tf.reduce_sum(each * tf.one_hot(y, copy.num_classes), 1)
        is_known = (y < copy.num_classes) & (of_y > NEVER / 2)
        of_y = tf.where(is_known, of_y, UNKNOWN_CLASS)
        of_y = tf.where(y == UNLABELLED, math.nan, of_y)
        return tf.stack([tf.cast(of_x, tf.float32), of_y], 1)
