"""JointModel: a joint distribution that answers arrays, is copied and saved; it cannot be trained.

A teacher is no more than this; `JointVAE` adds the training.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds import mixtures
from keras_ccl.checkpointing.layer_state import copy_state
from keras_ccl.data.splits import MEASURING_BATCH, MEASURING_SEED
from keras_ccl.data.validation import check_positive
from keras_ccl.models import growing, networks, rows
from keras_ccl.models.drawn_rows import DrawnRows
from keras_ccl.models.joint_distributions import JointDistributions

FORMAT = 1
"""Of saved models. A file of another format is refused by its number."""

SLOTS = networks.Networks._fields


class JointModel(DrawnRows):
    """A joint VAE that generates, reconstructs and measures arrays, and is copied and saved.

    Its arguments are those of `JointDistributions`. No rows have empty answers, and what it says of
    a row with a NaN or an infinite value is NaN.
    """

    saved_format = FORMAT
    traced_with_classes = ("_draw_rows", "_elbo_rows")

    def generate(self, n: int, *, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows of what was learnt.

        Args:
            n: how many.
            seed: an integer for the same rows each time, None for new ones.

        Returns:
            x `[n, *observed_shape]`, the mean of p(x|z): features where there is a backbone; and
                its label probabilities p(y|z) `[n, K]`.
        """
        check_positive("n", n, integer=True, or_zero=True)
        key = self.next_seed() if seed is None else tf.constant([seed, 0], tf.int32)
        rows = self._draw_rows(tf.constant(n), key)
        return rows.x.numpy(), rows.y.numpy()

    def reconstruct(self, x: np.ndarray, *, batch_size: int = MEASURING_BATCH) -> np.ndarray:
        """The mean of p(x|z) at the posterior mean.

        Args:
            x: `[N, *input_shape]`.
            batch_size: rows per batch.

        Returns:
            `[N, *observed_shape]`: features where there is a backbone.
        """
        return self.by_batch(self._reconstruct_rows, x, batch_size)

    def elbo(self, x: np.ndarray, *, batch_size: int = MEASURING_BATCH) -> np.ndarray:
        """The bound on log p(x) of each row, with one sample of z. See `familiarity` too.

        Args:
            x: `[N, *input_shape]`.
            batch_size: rows per batch.

        Returns:
            `[N]`, nats. p(z) is the model's own: the mixture once it is fitted.
        """
        return self.by_batch(self._elbo_rows, x, batch_size)

    def sample_posteriors(self, x: np.ndarray) -> np.ndarray:
        """A sample of q(z|x) for each row.

        Args:
            x: `[N, *input_shape]`.

        Returns:
            `[N, Z]`.
        """
        return self.by_batch(
            lambda batch: self._sample_rows(batch, self.next_seed()), x, MEASURING_BATCH
        )

    # Traced once, for any number of rows; without AutoGraph, as Keras traces a train step.

    @functools.cached_property
    def _draw_rows(self) -> Callable:
        return tf.function(lambda n, seed: self.draw(n, seed), autograph=False)

    @functools.cached_property
    def _reconstruct_rows(self) -> Callable:
        return self._traced(
            lambda x: rows.where_finite(x, self.decode(self.encode(x).mean()).mean())
        )

    @functools.cached_property
    def _elbo_rows(self) -> Callable:
        def bound(x):
            found = self.infer(x, MEASURING_SEED)
            return rows.where_finite(x, found.p_x.log_prob(x) - self.p_z.kl(found.q, found.z))

        return self._traced(bound)

    @functools.cached_property
    def _sample_rows(self) -> Callable:
        def sample(x, seed):
            return rows.where_finite(x, self.encode(x).sample(seed=seed))

        return tf.function(sample, reduce_retracing=True, autograph=False)

    def _traced(self, function: Callable) -> Callable:
        x = tf.TensorSpec((None, *self.observed_shape), tf.float32)
        return tf.function(function, input_signature=[x], autograph=False)

    # Copies.

    def frozen_copy(self, name: str) -> "JointModel":
        """A `JointModel` of the same networks, with weights of its own that never train.

        It has no memory: what it generates is labelled by the networks. It has no backbone: what
        it generates is what they see.

        Args:
            name: of the copy.
        """
        parts = {slot: networks.copy(getattr(self, slot)) for slot in SLOTS}
        options = {"input_shape": self.observed_shape, "memory": None}
        twin = JointModel(**{**self._joint_options(), **options}, **parts, name=name)
        twin.trainable = False
        return twin

    def take_weights_of(self, model: "JointModel") -> None:
        """Copy networks, p(x|z) and p(z) of a model of the same structure: this answers as it."""
        for part in (*SLOTS, "observation", "p_z"):
            copy_state(getattr(model, part), getattr(self, part))
        self.take_forgotten(model.forgotten)

    def grow_to(
        self,
        num_classes: int,
        *,
        anew: bool,
        components: int | None = None,
        knows_them: bool = True,
        **options: Any,
    ) -> None:
        super().grow_to(num_classes, anew=anew)
        if components is None and self._components_follow:
            components = mixtures.components_for(num_classes)
        self.prior_components = components or self.prior_components
        with self.distribute_strategy.scope():
            growing.grow_parts(self, anew=anew, knows_them=knows_them)

    def grow_beside(self, model: "JointModel", *, anew: bool) -> None:
        """Have room for the classes that a model has, which this, a copy, never answers.

        Args:
            model: of the same structure.
            anew: whether it had no class before.
        """
        components = model.prior_components
        self.grow_to(model.num_classes, anew=anew, components=components, knows_them=False)

    def in_float32(self) -> "JointModel":
        """A `JointModel` with the same weights that computes in float32: this one, if it does."""
        parts = {slot: getattr(self, slot) for slot in SLOTS}
        if all(part.compute_dtype == "float32" for part in (self, *parts.values())):
            return self
        copies = {slot: networks.in_float32(part) for slot, part in parts.items()}
        options = {**self._joint_options(), "backbone": self.backbone}
        twin = JointModel(**options, **copies, dtype="float32")
        twin.take_forgotten(self.forgotten)
        if self.memory_size:
            twin.grow_memory(self.memory_size)
            copy_state(self.feature_memory, twin.feature_memory)
        for part in ("observation", "p_z"):
            copy_state(getattr(self, part), getattr(twin, part))
        return twin

    def grow_memory(self, size: int) -> None:
        """Give the memory its weights; what answers with it is traced again.

        Args:
            size: how many features.

        Raises:
            ValueError: if the model has no memory.
        """
        if self.feature_memory is None:
            raise ValueError(f"expected a model with a memory for its {size} features")
        with self.distribute_strategy.scope():
            self.feature_memory.grow(size, seed=int(self.noise.numpy()[0]))
        self.predict_function = self.test_function = None

    @property
    def memory_size(self) -> int:
        return self.feature_memory.size if self.feature_memory is not None else 0

    def _joint_options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in JointDistributions.option_names}

    def answering_parts(self) -> tuple[keras.layers.Layer, ...]:
        """The networks, p(z), and those of the memory; the backbone, if there is one."""
        memory = self.feature_memory.answering_parts() if self.feature_memory is not None else ()
        return *(getattr(self, slot) for slot in SLOTS), self.p_z, *memory, *self.parts_before()

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """Options and networks, default ones too, so that a changed default breaks no file."""
        parts = {slot: keras.saving.serialize_keras_object(getattr(self, slot)) for slot in SLOTS}
        memory_size = {"memory_size": self.memory_size} if self.memory_size else {}
        return {**super().get_config(), **parts, **memory_size}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "JointModel":
        config = {"memory": None, **cls.of_saved_format(config)}  # which older files do not name
        memory_size = config.pop("memory_size", 0)
        for slot in SLOTS:
            config[slot] = keras.saving.deserialize_keras_object(config[slot])
        model = cls(**config)
        if memory_size:
            model.grow_memory(memory_size)
        return model
