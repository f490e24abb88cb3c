"""FeatureMemory: a ridge regression on fixed features of real rows, beside the networks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from keras_ccl.bounds.closed_form import NEVER, ridge
from keras_ccl.bounds.likelihoods import Likelihood
from keras_ccl.data.splits import measured_batches
from keras_ccl.models.feature_sums import FeatureSums
from keras_ccl.models.fixed_features import FEATURES, CentredLinear
from keras_ccl.models.memory import Memory

if TYPE_CHECKING:
    from keras_ccl.data.splits import Split

LEAST_FEATURES = 25
MOST_FEATURES, MOST_BEHIND_BACKBONE = 4900, 3100
"""By default: their sums take 54 MB, behind a backbone 22, and leave room for p(z), the teacher's
and the random directions below 64 MB."""

LOGIT_WEIGHTS = {"patches": 1.0}
OTHER_LOGIT_WEIGHT = 0.25
"""How much the logits of a memory weigh beside those of networks, by its features.

Patches see more of an image than dense networks do; other features see less (docs/experiments.md).
"""


class FeatureMemory(Memory):
    """A ridge regression on fixed features.

    Its logits are on the scale of the error that it is expected to make.

    Args:
        features: of `FEATURES`.
        most_features: D at most.
        input_shape: of one x.
        num_classes: K.
        observation: of x, by which it is standardised where it is no image.
    """

    def __init__(
        self,
        features: str,
        most_features: int,
        *,
        input_shape: tuple[int, ...],
        num_classes: int,
        observation: Likelihood,
    ) -> None:
        super().__init__()
        self._features, self._most, self._shape = features, most_features, input_shape
        self._num_classes, self._unit_range = num_classes, observation.unit_range
        self._standardised = observation.for_encoder  # the layer itself is saved with the model
        self.logit_weight = LOGIT_WEIGHTS.get(features, OTHER_LOGIT_WEIGHT)

    def size_for(self, rows: int) -> int:
        """How many features are right where the first task has so many rows: as many."""
        return min(self._most, max(LEAST_FEATURES, rows))

    def grow(self, size: int, seed: int = 0) -> None:
        """Make features and sums.

        Args:
            size: D; of patches there may be fewer.
            seed: of the features, which are weights.
        """
        super().grow(size, seed)
        self.feature_map = FEATURES[self._features](
            self._shape, size=size, unit_range=self._unit_range, seed=seed
        )
        self.feature_sums = FeatureSums(self.feature_map.size, self._num_classes)
        self.linear = CentredLinear(self.feature_map.size, self._num_classes)

    def grow_classes(self, num_classes: int) -> None:
        self._num_classes = num_classes
        if self.size:
            self.feature_sums.grow_classes(num_classes)
            self.linear.grow_classes(num_classes, bias=NEVER)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        return self.linear(self._featurize(x))

    def _featurize(self, x: tf.Tensor) -> tf.Tensor:
        return self.feature_map(self._standardised(x))

    def parts_of_answers(self) -> tuple[keras.layers.Layer, ...]:
        """Never the sums."""
        return self.feature_map, self.linear

    def _batches(self, split: Split, observe: Callable) -> Iterator[tuple[tf.Tensor, ...]]:
        for x, *labels in measured_batches(split):
            yield self._featurize(observe(x)), *labels

    def learn(self, split: Split, observe: Callable) -> None:
        """Add rows and answer, unless the memory was given up when classes were forgotten."""
        if not self.size or self.answers.numpy() < 0:
            return
        sums = self.feature_sums
        if not sums.counts.numpy().any():
            sums.begin(split, lambda x: self._featurize(observe(x)))
        found = sums.values()
        for features, *labels in self._batches(split, observe):
            found = sums.plus(found, features, *labels)
        sums.assign(found)
        self.linear.set_weights(sums.solved(ridge))
        self.answers.assign(1.0)

    def forget(self, classes: Collection[int], rows: Split | None, observe: Callable) -> None:
        """Take the rows out of the sums, or give the memory up: it never answers again.

        The products of features are summed over all classes. Only the rows themselves tell which
        part of them is theirs.
        """
        if not self.size or self.answers.numpy() < 0:
            return
        if rows is None:
            self.feature_sums.clear()
            self.linear.set_weights([tf.zeros_like(weight) for weight in self.linear.weights])
            self.answers.assign(-1.0)
        elif not self._unit_range:
            raise ValueError(
                "rows: expected None where x is not in [0, 1]: the features are of values that "
                "rows of the first task standardised, so that the memory is given up"
            )
        else:
            self.feature_sums.take_out(classes, self._batches(rows, observe))
            self.linear.set_weights(self.feature_sums.solved(ridge))
