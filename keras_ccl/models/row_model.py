"""RowModel: what every model of the library has in common, whatever it learns."""

import dataclasses
import functools
import os
import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.checkpointing.state import weights_of_backbone
from keras_ccl.data.byte_inputs import as_floats
from keras_ccl.data.feature_split import FeatureSplit
from keras_ccl.data.labels import LabelBook
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import Split
from keras_ccl.data.validation import check_numbers, check_positive, check_shape
from keras_ccl.models.named_classes import NamedClasses
from keras_ccl.models.rows import where_finite
from keras_ccl.training import replicas


class RowModel(NamedClasses):
    """A Keras model of rows x that answers p(y|x), with noise of its own.

    Attributes:
        option_names: the arguments of the constructor, each an attribute of the same name.
        observation: what values x may have, and how a network sees them.
        backbone: a frozen Keras model from x to its features, which all else sees in place of x; or
            None.
        observed_shape: of what the networks see of x: of its features, or of x itself.
        saved_format: of saved models. A file of another format is refused by its number.
    """

    option_names: tuple[str, ...] = ()
    observed_shape: tuple[int, ...]
    backbone: keras.Model | None
    seed: int | None
    saved_format: int

    def make_noise(self) -> None:
        """Make the weight that `next_seed` counts on."""
        drawn = self.seed
        if drawn is None:
            drawn = random.randrange(2**31)  # as Keras draws its own
        first = np.random.SeedSequence(drawn).generate_state(1) >> 1  # fits int32
        self.noise = replicas.state(self, "noise", (2,), "int32")
        self.noise.assign([int(first[0]), 0])

    @property
    def memory_size(self) -> int:
        """How many features the memory has: 0 where there is none, or no rows came yet."""
        return 0

    def observe(self, x: tf.Tensor) -> tf.Tensor:
        """What the networks see of x, and p(x|z) is about: x in floats, or its features.

        Args:
            x: `[B, *input_shape]`, floats or bytes; or features already, which their shape tells.

        Returns:
            `[B, *observed_shape]`, float32.
        """
        x = as_floats(x, self.observation.unit_range)
        if self.backbone is None or tuple(x.shape[1:]) == self.observed_shape:
            return x
        features = tf.cast(self.backbone(x, training=False), tf.float32)
        return where_finite(x, features)

    def observe_batch(self, x: np.ndarray | tf.Tensor) -> tf.Tensor:
        """`observe`, of any number of rows, for a model that is not at a step."""
        x = tf.convert_to_tensor(as_floats(x, self.observation.unit_range))
        return x if tuple(x.shape[1:]) == self.observed_shape else self._features(x)

    def by_batch(self, function: Callable, x: np.ndarray, batch_size: int) -> np.ndarray:
        """What a function of `observe_batch(x)` gives for all rows `[N, *input_shape]`."""
        check_positive("batch_size", batch_size, integer=True)
        x = np.asarray(x)
        check_numbers(x.dtype, "x")
        if x.shape[1:] != self.observed_shape:  # features are taken too
            check_shape(x.shape[1:], self.data_spec, "x")
        starts = range(0, max(len(x), 1), batch_size)  # no rows are one empty batch
        batches = (self.observe_batch(x[i : i + batch_size]) for i in starts)
        return np.concatenate([function(batch).numpy() for batch in batches])

    @functools.cached_property
    def _features(self) -> Callable[[tf.Tensor], tf.Tensor]:
        x = tf.TensorSpec((None, *self.input_shape), tf.float32)
        return tf.function(self.observe, input_signature=[x], autograph=False)

    def observed(self, task: ReadyTask) -> ReadyTask:
        """A task whose rows pass through the backbone once: its features, or what it is."""
        if self.backbone is None:
            return task

        def features(split: Split) -> FeatureSplit:
            return FeatureSplit(split, self.observe_batch, self.observed_shape)

        validation = task.validation and features(task.validation)
        return dataclasses.replace(task, train=features(task.train), validation=validation)

    def next_seed(self) -> tf.Tensor:
        """A stateless seed, `[2]` int32, that comes once, and to one replica.

        A weight holds it, where Keras's `SeedGenerator` would not be saved with the model.
        """
        seed = tf.identity(self.noise.value)
        self.noise.assign_add([0, 1])
        return replicas.fold_in_replica(seed)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Keras's `predict`, p(y|x), where Keras needs at least one row.

        Args:
            x: `[N, *input_shape]`, or what else Keras takes.
            *args: of `keras.Model.predict`.
            **kwargs: of `keras.Model.predict`.

        Returns:
            `[N, K]`.

        Raises:
            ValueError: if no class is known yet.
        """
        if not self.class_names:
            raise ValueError("predict: expected a model that has met a class, received one of none")
        if hasattr(x, "shape"):
            x = np.asarray(x)
            check_numbers(x.dtype, "x")
            if not len(x):
                check_shape(x.shape[1:], self.data_spec, "x")
                return np.zeros((0, self.num_classes), np.float32)
        return super().predict(x, *args, **kwargs)

    @property
    def kept_bytes(self) -> int:
        """What is kept from task to task beside the networks: of a teacher, p(z), or sums."""
        frozen = {id(weight) for weight in weights_of_backbone(self)}
        kept = (weight for weight in self.non_trainable_weights if id(weight) not in frozen)
        return sum(weight.numpy().nbytes for weight in kept)

    def parts_before(self) -> tuple[keras.layers.Layer, ...]:
        """The backbone, if there is one: what x goes through before all else."""
        return () if self.backbone is None else (self.backbone,)

    def answering_parts(self) -> tuple[keras.layers.Layer, ...]:
        """The layers whose weights identify what the model answers.

        A method: Keras would save what a property holds a second time.
        """
        raise NotImplementedError

    def one_hot(self, y: tf.Tensor) -> tf.Tensor:
        """Integer labels `[B]` as a step takes them, `[B, K]`."""
        return tf.one_hot(tf.cast(y, tf.int32), self.num_classes)

    def unpacked(self, data: tuple) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Of a batch of Keras's: x as `observe` gives it, y one-hot `[B, K]`, weights or None."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        weight = weight if weight is None else tf.cast(weight, tf.float32)
        return self.observe(x), self.one_hot(y), weight

    # Saving.

    def save(self, filepath: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        """Keras's `save` to a .keras file; its older format, .h5, cannot hold such a model.

        Args:
            filepath: ends in .keras.
            *args: of `keras.Model.save`.
            **kwargs: of `keras.Model.save`.

        Raises:
            ValueError: for a name that ends in .h5 or .hdf5.
        """
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(f"save: expected a name that ends in .keras, received {filepath}")
        super().save(filepath, *args, **kwargs)

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Keras's own export, of p(y|x) alone. See `export_student` for the student as a whole.

        A SavedModel written by Keras holds every weight of the model, the teacher's too.

        Args:
            filepath: as in `keras.Model.export`.
            format: as in `keras.Model.export`.
            verbose: as in `keras.Model.export`.
            input_signature: by default x `[B, *input_shape]`, float32.
            **kwargs: of the format.
        """
        if input_signature is None:
            shape = (None, *self.input_shape)
            input_signature = [keras.InputSpec(shape=shape, dtype="float32", name="x")]
        super().export(
            filepath, format=format, verbose=verbose, input_signature=input_signature, **kwargs
        )

    def options(self) -> dict[str, Any]:
        """The options by name, without the networks."""
        of_labels = {} if self.labels is None else self.labels.options()
        return {name: getattr(self, name) for name in self.option_names} | of_labels

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "format": self.saved_format, **self.options()}
        if self.is_open:
            config["known_classes"] = list(self.class_names)
        if self.backbone is not None:
            config["backbone"] = keras.saving.serialize_keras_object(self.backbone)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "RowModel":
        return cls(**cls.of_saved_format(config))

    @classmethod
    def of_saved_format(cls, config: dict[str, Any]) -> dict[str, Any]:
        """A configuration without its format, which is checked before anything is made of it.

        A backbone is made of its own.

        Raises:
            ValueError: for another format.
        """
        config = dict(config)
        saved = config.pop("format", None)
        if saved != cls.saved_format:
            raise ValueError(
                f"expected a model saved in format {cls.saved_format}, received format {saved}"
            )
        if "known_classes" in config:
            config["class_names"] = LabelBook.open_with(config.pop("known_classes"))
        if "backbone" in config:
            config["backbone"] = keras.saving.deserialize_keras_object(config["backbone"])
        return config
