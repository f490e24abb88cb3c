"""FeatureMemory: what sums of fixed features of real rows say beside the networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_ccl.bounds.closed_form import ridge
from keras_ccl.bounds.likelihoods import is_image
from keras_ccl.data.splits import MEASURING_BATCH
from keras_ccl.data.validation import check_choice, check_positive
from keras_ccl.models.feature_sums import FeatureSums
from keras_ccl.models.fixed_features import FEATURES, CentredLinear
from keras_ccl.training import replicas

if TYPE_CHECKING:
    from keras_ccl.data.splits import Split

LEAST_FEATURES = 25
MOST_FEATURES, MOST_BEHIND_BACKBONE = 4900, 3100
"""By default: their sums take 54 MB, behind a backbone 22, and leave room for p(z), the teacher's,
the random directions, and the Gaussians of features below 64 MB."""

LOGIT_WEIGHTS = {"patches": 1.0}
OTHER_LOGIT_WEIGHT = 0.25
"""How much the logits of a memory weigh beside those of networks, by its features.

Patches see more of an image than dense networks do; other features see less (docs/experiments.md).
"""


class FeatureMemory(keras.layers.Layer):
    """A ridge regression on fixed features, which has seen every row and forgets nothing.

    Networks that learn classes one after another tell those of a task apart by real rows of both,
    and those of different tasks by real rows of the one and generated rows of the other. The sums
    of the memory are over real rows of all. Its logits are on the scale of the error that it is
    expected to make, so that the two experts multiply: log p(y|x) of the networks plus the
    logits of the memory, times their weight.

    It has no weights before `grow`, and takes no part in an answer while a task is learnt.

    Args:
        features: of `FEATURES`.
        most_features: D at most.
        input_shape: of one x.
        num_classes: K.
        unit_range: whether x lies in [0, 1]; else it is standardised.

    Attributes:
        size: D, 0 before `grow`.
        logit_weight: what its logits weigh beside those of the networks.
    """

    def __init__(
        self,
        features: str,
        most_features: int,
        *,
        input_shape: tuple[int, ...],
        num_classes: int,
        unit_range: bool,
    ) -> None:
        super().__init__(trainable=False, dtype="float32")
        self._features, self._most, self._shape = features, most_features, input_shape
        self._num_classes, self._unit_range = num_classes, unit_range
        self.logit_weight = LOGIT_WEIGHTS.get(features, OTHER_LOGIT_WEIGHT)
        self.size = 0
        self.built = True

    def size_for(self, rows: int) -> int:
        """How many features are right where the first task has so many rows: as many."""
        return min(self._most, max(LEAST_FEATURES, rows))

    def grow(self, size: int, seed: int = 0) -> None:
        """Make features and sums.

        Args:
            size: D; of patches there may be fewer.
            seed: of the features, which are weights.
        """
        self.feature_map = FEATURES[self._features](
            self._shape, size=size, unit_range=self._unit_range, seed=seed
        )
        self.size = size
        self.feature_sums = FeatureSums(self.feature_map.size, self._num_classes)
        self.linear = CentredLinear(self.feature_map.size, self._num_classes)
        self.answers = replicas.state(self, "answers", ())

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Logits `[B, K]`, for x `[B, *input_shape]` as the encoder sees it."""
        return self.linear(self.feature_map(x))

    def together(self, logits: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Logits of networks and memory together.

        Args:
            logits: of the networks, `[B, K]`.
            x: `[B, *input_shape]`, as the encoder sees it.
        """
        return tf.nn.log_softmax(tf.cast(logits, tf.float32)) + self.logit_weight * self.logits(x)

    def beside(self, logits: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """The same; those of the networks alone while a task is learnt."""
        if not self.size:
            return logits
        alone = tf.cast(logits, tf.float32)
        return tf.where(self.answers > 0, self.together(logits, x), alone)

    def answering_parts(self) -> tuple[keras.layers.Layer, ...]:
        """The layers that it answers with now: none while a task is learnt; never the sums."""
        if not self.size or not self.answers.numpy():
            return ()
        return self.feature_map, self.linear

    def rest(self) -> None:
        """Take no part in answers: of the classes that come next the memory knows nothing."""
        if self.size:
            self.answers.assign(0.0)

    def learn(self, split: Split, for_encoder: Callable) -> None:
        """Add the rows of a task to the sums, in one pass, and answer from them.

        Args:
            split: the train rows.
            for_encoder: a function of x that gives what the encoder sees.
        """
        if not self.size:
            return
        sums = self.feature_sums
        if not sums.counts.numpy().any():
            sums.begin(split, lambda x: self.feature_map(for_encoder(x)))
        found = [tf.identity(weight) for weight in sums.kept]
        with split.measured():
            for x, y, *weight in split.batches(MEASURING_BATCH):
                features = self.feature_map(for_encoder(x))
                one_hot = tf.one_hot(y, self._num_classes)
                added = sums.of_rows(features, one_hot, weight[0] if weight else None)
                found = [old + new for old, new in zip(found, added, strict=True)]
        for weight, value in zip(sums.kept, found, strict=True):
            weight.assign(value)
        self.linear.set_weights(sums.solved(ridge))
        self.answers.assign(1.0)


def make_memory(
    features: str | None,
    most_features: int,
    *,
    input_shape: tuple[int, ...],
    behind_backbone: bool,
    **options: Any,
) -> FeatureMemory | None:
    """The memory that the option `memory` names.

    Args:
        features: the option, `"auto"` or None among its values.
        most_features: D at most.
        input_shape: of one x.
        behind_backbone: whether x are the features of a backbone.
        **options: of `FeatureMemory`.

    Raises:
        ValueError: for features that there are not, or that do not fit the inputs.
    """
    check_positive("memory_features", most_features, integer=True)
    if features is None:
        return None
    check_choice("memory", features, ("auto", *FEATURES))
    if features == "auto":
        others = "relu" if behind_backbone else "fourier"
        features = "patches" if is_image(input_shape) else others
    FEATURES[features].check_shape(input_shape, "memory")
    return FeatureMemory(features, most_features, input_shape=input_shape, **options)
