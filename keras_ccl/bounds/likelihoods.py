"""The likelihoods p(x|z): what each expects of x, its distribution, and its export.

A likelihood is one class, and a line of `make_likelihood`.
"""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd


class Likelihood(keras.layers.Layer):
    """p(x|z), made from what the decoder returns, and what the encoder sees of x.

    Attributes:
        unit_range: whether x must lie in [0, 1].
        asks_for_rows: whether `fit` is to be called.
    """

    unit_range = False
    asks_for_rows = False

    def fit(self, x: np.ndarray) -> None:
        """Called once, before the first task is learnt, with rows of it.

        Args:
            x: `[N, ...]`.
        """

    def for_encoder(self, x: tf.Tensor) -> tf.Tensor:
        """x `[B, ...]` as the encoder sees it: by default as it is."""
        return x

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """p(x|z), independent over the axes of x.

        Args:
            parameters: `[B, ...]`, the output of the decoder.

        Returns:
            A distribution with batch shape `[B]` and the event shape of x.
        """
        raise NotImplementedError

    def shortfall(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """By how much log p(x|z) misses the largest that any parameters could give x.

        That is half the deviance of generalised linear models (Nelder and Wedderburn 1972), and at
        least 0. How complex x is in itself does not count: log p(x|z) is low for any detailed
        image, however well it is known. In operations that ONNX, LiteRT and TensorFlow all have.

        Args:
            parameters: `[B, ...]`, the output of the decoder.
            x: `[B, ...]`.

        Returns:
            `[B]`, nats, summed over the axes of x.
        """
        raise NotImplementedError


TINY = 1e-30
"""In place of 0 where 0 log 0 is 0."""


class Bernoulli(Likelihood):
    """Pixels in [0, 1], the decoder's outputs their logits.

    For grey values log p(x|z) is the negative cross-entropy.
    """

    unit_range = True

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        logits = tf.cast(parameters, tf.float32)
        return _over_axes(_Pixels(logits=logits, dtype=tf.float32), logits)

    def shortfall(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(parameters, tf.float32)
        own = x * tf.math.log(tf.maximum(x, TINY)) + (1 - x) * tf.math.log(tf.maximum(1 - x, TINY))
        return _sum_over_axes(own - x * logits + tf.math.softplus(logits))


class Gaussian(Likelihood):
    """Any finite x, the decoder's outputs their means.

    Args:
        scale: the standard deviation of each value.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def mean_and_scale(self, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and standard deviation of x, `[B, ...]` and of a shape that goes with it."""
        return tf.cast(parameters, tf.float32), tf.constant(self.scale, tf.float32)

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        mean, scale = self.mean_and_scale(parameters)
        return _over_axes(tfd.Normal(mean, scale), mean)

    def shortfall(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        mean, scale = self.mean_and_scale(parameters)
        return _sum_over_axes(0.5 * tf.square((x - mean) / scale))


class StandardisedGaussian(Gaussian):
    """Any finite x in any units: the networks work in units of the first task's rows.

    The encoder sees (x - centre) / spread and the decoder's outputs are means in these units, in
    which each value's standard deviation is learnt.

    Args:
        shape: of one x.
        **kwargs: of `keras.layers.Layer`.
    """

    asks_for_rows = True

    def __init__(self, shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(scale=1.0, **kwargs)
        self.centre = self.add_weight(
            name="centre", shape=shape, initializer="zeros", trainable=False
        )
        self.spread = self.add_weight(
            name="spread", shape=shape, initializer="ones", trainable=False
        )
        self.log_scale = self.add_weight(
            name="log_scale",
            shape=shape,
            initializer=keras.initializers.Constant(math.log(FIRST_SCALE)),
        )

    def fit(self, x: np.ndarray) -> None:
        """Take centre and spread from rows.

        The spread of a value is its standard deviation, or a fifth of the largest deviation where
        that is more: a value that is rarely other than 0 in the first task may not be so in a
        later one. A value that never changes has the mean spread of the others.

        Args:
            x: `[N, ...]`.
        """
        centre = x.mean(0)
        spread = np.maximum(x.std(0), np.abs(x - centre).max(0) / 5)
        changes = spread > 1e-6 * np.maximum(np.abs(centre), 1e-30)
        others = float(np.sqrt(np.square(spread[changes]).mean())) if changes.any() else 1.0
        self.centre.assign(centre)
        self.spread.assign(np.where(changes, spread, others))

    def for_encoder(self, x: tf.Tensor) -> tf.Tensor:
        return (x - self.centre) / self.spread

    def mean_and_scale(self, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        scale = self.spread * (LEAST_SCALE + tf.exp(self.log_scale))
        return self.centre + self.spread * tf.cast(parameters, tf.float32), scale


FIRST_SCALE = 0.5
"""Of a value given z, in units of its spread, before anything is learnt."""

LEAST_SCALE = 0.02
"""The standard deviation of a value given z is at least this share of its spread."""

LIKELIHOODS = ("bernoulli", "gaussian")


def make_likelihood(name: str, scale: float | None, shape: tuple[int, ...]) -> Likelihood:
    """p(x|z) by the options `likelihood` and `observation_scale` of a model.

    Args:
        name: one of `LIKELIHOODS`.
        scale: the standard deviation of a Gaussian; None: standardised and learnt.
        shape: of one x.
    """
    if name == "bernoulli":
        return Bernoulli(dtype="float32")
    if scale is None:
        return StandardisedGaussian(shape, dtype="float32")
    return Gaussian(scale, dtype="float32")


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether x of this shape is taken for an image (height, width, channels)."""
    return len(shape) == 3


def likelihood_of_shape(shape: tuple[int, ...]) -> str:
    """The likelihood where none is named: an image's pixels are Bernoulli, all else Gaussian."""
    return "bernoulli" if is_image(shape) else "gaussian"


class _Pixels(tfd.Bernoulli):
    """TFP's Bernoulli with half the work in log p: one softplus per pixel, where TFP takes two."""

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        logits = self.logits_parameter()
        return event * logits - tf.nn.softplus(logits)


def _over_axes(pixels: tfd.Distribution, parameters: tf.Tensor) -> tfd.Distribution:
    return tfd.Independent(pixels, reinterpreted_batch_ndims=len(parameters.shape) - 1)


def _sum_over_axes(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=list(range(1, len(values.shape))))
