"""The likelihoods p(x|z): what each expects of x, its distribution, and its export.

A likelihood is one class and one entry of `LIKELIHOODS`.
"""

import math
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf
from tensorflow_probability import distributions as tfd


class Likelihood(Protocol):
    """p(x|z), made from what the decoder returns.

    Attributes:
        unit_range: whether x must lie in [0, 1].
    """

    unit_range: bool

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """p(x|z), independent over the axes of x.

        Args:
            parameters: `[B, ...]`, the output of the decoder.

        Returns:
            A distribution with batch shape `[B]` and the event shape of x.
        """
        ...

    def exportable_log_prob(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """log p(x|z) in operations that ONNX, LiteRT and TensorFlow all have.

        Args:
            parameters: `[B, ...]`, the output of the decoder.
            x: `[B, ...]`.

        Returns:
            `[B]`, nats, summed over the axes of x.
        """
        ...


class Bernoulli:
    """Pixels in [0, 1], the decoder's outputs their logits.

    For grey values log p(x|z) is the negative cross-entropy.
    """

    unit_range = True

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        logits = tf.cast(parameters, tf.float32)
        return _over_axes(_Pixels(logits=logits, dtype=tf.float32), logits)

    def exportable_log_prob(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        logits = tf.cast(parameters, tf.float32)
        return _sum_over_axes(x * logits - tf.math.softplus(logits))


class Gaussian:
    """Any finite x, the decoder's outputs their means.

    Args:
        scale: the standard deviation of each value.
    """

    unit_range = False

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        means = tf.cast(parameters, tf.float32)
        return _over_axes(tfd.Normal(means, self.scale), means)

    def exportable_log_prob(self, parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        offset = (x - tf.cast(parameters, tf.float32)) / self.scale
        log_scale = math.log(self.scale)
        return _sum_over_axes(-0.5 * tf.square(offset) - log_scale - 0.5 * math.log(2 * math.pi))


LIKELIHOODS: dict[str, Callable[[float], Likelihood]] = {
    "bernoulli": lambda scale: Bernoulli(),
    "gaussian": Gaussian,
}
"""By the name that a model's option `likelihood` takes: a function of `observation_scale`."""


class _Pixels(tfd.Bernoulli):
    """TFP's Bernoulli with half the work in log p: one softplus per pixel, where TFP takes two."""

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        logits = self.logits_parameter()
        return event * logits - tf.nn.softplus(logits)


def _over_axes(pixels: tfd.Distribution, parameters: tf.Tensor) -> tfd.Distribution:
    return tfd.Independent(pixels, reinterpreted_batch_ndims=len(parameters.shape) - 1)


def _sum_over_axes(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=list(range(1, len(values.shape))))
