"""Features of rows that nothing is learnt for, and the linear classifier on them.

What was summed of such features over earlier rows stays true.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds.likelihoods import is_image
from keras_ccl.training.grown_weights import grow

UNIT_RANGE_FREQUENCY = 2.5
"""Radians, of the cosines of `"fourier"`, about as far apart as two rows of values in [0, 1] are;
1 where values are standardised."""

PATCH, PATCH_FREQUENCY, CELLS = 5, 2.0, 5
"""Of `"patches"`: the side of a patch, radians per unit of its deviation, cells along a side."""

LEAST_CONTRAST = 0.1
"""Patches of less contrast than this are nearly blank."""


class FixedFeatures(keras.layers.Layer):
    """x `[B, *input_shape]` -> features `[B, size]`, float32.

    Args:
        input_shape: of one x.
        size: how many features at most.
        unit_range: whether x lies in [0, 1]; else it is standardised.
        seed: of random weights.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self, input_shape: tuple[int, ...], *, size: int, unit_range: bool, seed: int, **kwargs: Any
    ) -> None:
        self.check_shape(input_shape, "features")
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self.size = self.make(input_shape, size, unit_range, np.random.default_rng(seed))
        self.built = True

    @classmethod
    def check_shape(cls, shape: tuple[int, ...], option: str) -> None:
        """Refuse inputs that have no such features, naming the option that asked for them."""

    def make(
        self, shape: tuple[int, ...], size: int, unit_range: bool, rng: np.random.Generator
    ) -> int:
        """Make the weights; returns how many features there are."""
        raise NotImplementedError

    def fixed(self, name: str, value: np.ndarray) -> keras.Variable:
        """A weight that stays as it is."""
        weight = self.add_weight(name=name, shape=value.shape, trainable=False)
        weight.assign(value)
        return weight


class RawFeatures(FixedFeatures):
    """x itself, as a vector."""

    def make(self, shape, size, unit_range, rng):
        return math.prod(shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, [-1, self.size])


class ReluFeatures(FixedFeatures):
    """max(0, W x), W Gaussian: the head of RanPAC (McDonnell et al. 2023)."""

    def make(self, shape, size, unit_range, rng):
        values = math.prod(shape)
        self.kernel = self.fixed("kernel", rng.normal(0, values**-0.5, (values, size)))
        return size

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(tf.reshape(x, [-1, self.kernel.shape[0]]) @ self.kernel)


class FourierFeatures(FixedFeatures):
    """cos(W x + b), W Gaussian: inner products are about exp(-|x - x'|^2 s^2 / 2) / 2.

    Rahimi and Recht 2007.
    """

    def make(self, shape, size, unit_range, rng):
        values = math.prod(shape)
        frequency = (UNIT_RANGE_FREQUENCY if unit_range else 1.0) / math.sqrt(values)
        self.kernel = self.fixed("kernel", rng.normal(0, frequency, (values, size)))
        self.phase = self.fixed("phase", rng.uniform(0, 2 * np.pi, size))
        return size

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cos(tf.reshape(x, [-1, self.kernel.shape[0]]) @ self.kernel + self.phase)


class PatchFeatures(FixedFeatures):
    """Random Fourier features of the patches of an image, averaged over the cells of a grid.

    A patch counts by its contrast, and is compared with others after its own mean and deviation
    are taken out. Two images are alike where cells hold alike patches, wherever in the cell.
    """

    @classmethod
    def check_shape(cls, shape, option):
        if not is_image(shape):
            raise ValueError(
                f"{option}: expected 'patches' for images (height, width, channels), received "
                f"input_shape {shape}"
            )

    def make(self, shape, size, unit_range, rng):
        height, width, channels = shape
        self.strides = tuple(math.ceil(side / CELLS) for side in (height, width))
        cells = math.ceil(height / self.strides[0]) * math.ceil(width / self.strides[1])
        filters = max(size // cells, 1)
        patch = [min(PATCH, height), min(PATCH, width), channels]
        kernel = rng.normal(0, 1, (*patch, filters))
        kernel -= kernel.mean((0, 1, 2))
        self.kernel = self.fixed("kernel", kernel * PATCH_FREQUENCY / math.sqrt(math.prod(patch)))
        self.phase = self.fixed("phase", rng.uniform(0, 2 * np.pi, filters))
        self.mean_kernel = self.fixed("mean_kernel", np.full((*patch, 1), 1 / math.prod(patch)))
        return cells * filters

    def call(self, x: tf.Tensor) -> tf.Tensor:
        mean = tf.nn.conv2d(x, self.mean_kernel, 1, "SAME")
        square = tf.nn.conv2d(tf.square(x), self.mean_kernel, 1, "SAME")
        variance = tf.nn.relu(square - tf.square(mean))
        contrast = tf.sqrt(variance + LEAST_CONTRAST**2)
        waves = tf.cos(tf.nn.conv2d(x, self.kernel, 1, "SAME") / contrast + self.phase) * contrast
        window = [stride + 1 for stride in self.strides]
        cells = tf.nn.avg_pool2d(waves, window, self.strides, "SAME")
        return tf.reshape(cells, [-1, self.size])


FEATURES = {
    "raw": RawFeatures,
    "relu": ReluFeatures,
    "fourier": FourierFeatures,
    "patches": PatchFeatures,
}
"""By the name that the option `features` takes."""


class CentredLinear(keras.layers.Layer):
    """features f `[B, D]` -> logits (f - centre) @ kernel + bias, `[B, K]`; all 0 at first.

    Args:
        size: D.
        num_classes: K.
    """

    def __init__(self, size: int, num_classes: int) -> None:
        super().__init__(trainable=False, dtype="float32")
        state = {"initializer": "zeros", "trainable": False}
        self.centre = self.add_weight(name="centre", shape=(size,), **state)
        self.kernel = self.add_weight(name="kernel", shape=(size, num_classes), **state)
        self.bias = self.add_weight(name="bias", shape=(num_classes,), **state)
        self.built = True

    def grow_classes(self, num_classes: int, bias: float) -> None:
        """Have logits of more classes, which are `bias` until weights are set."""
        grow(self.kernel, (self.kernel.shape[0], num_classes))
        grow(self.bias, (num_classes,), bias)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return (features - self.centre) @ self.kernel + self.bias
