"""Discriminant: what the Gaussians of the classes say of rows, as a layer."""

import keras
import tensorflow as tf

from keras_ccl.bounds.closed_form import NEVER
from keras_ccl.models.class_gaussians import ClassGaussians
from keras_ccl.training import replicas
from keras_ccl.training.grown_weights import grow


class Discriminant(keras.layers.Layer):
    """Rows `[B, D]` -> `discriminants.Quadratic` of them, `[B, K]`, times a scale.

    Args:
        gaussians: `ClassGaussians`, whose whitening and factors it is given, and does not hold.

    Attributes:
        solved: the weights, in the order of `discriminants.Quadratic`.
        scale: how sure the Gaussians may be.
        belief: which of `BELIEFS` they are solved with.
    """

    def __init__(self, gaussians: ClassGaussians) -> None:
        super().__init__(trainable=False, dtype="float32")
        classes, rank, size = gaussians.factors.shape
        self.centre = replicas.state(self, "centre", (size,))
        self.means = replicas.state(self, "means", (classes, size))
        self.bias = replicas.state(self, "bias", (classes,))
        self.offsets = replicas.state(self, "offsets", (classes, rank))
        self.turned = replicas.state(self, "turned", (classes, rank, rank))
        self.scale = replicas.state(self, "scale", ())
        self.belief = replicas.state(self, "belief", (), "int32")
        self.solved = [self.centre, self.means, self.bias, self.offsets, self.turned]
        self.built = True

    def grow_with(self, gaussians: ClassGaussians) -> None:
        """Have room for the classes that Gaussians have, which are met when it is solved next."""
        classes, rank, size = gaussians.factors.shape
        grow(self.means, (classes, size))
        grow(self.bias, (classes,), NEVER)
        grow(self.offsets, (classes, rank))
        grow(self.turned, (classes, rank, rank))

    def call(self, x: tf.Tensor, whitening: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        classes, rank, size = factors.shape
        white = tf.matmul(x - self.centre, whitening)
        again = tf.matmul(white, whitening, transpose_b=True)
        along = tf.matmul(again, tf.reshape(factors, [-1, size]), transpose_b=True)
        along = tf.reshape(along, [-1, classes, rank]) - self.offsets
        turned = tf.matmul(tf.transpose(along, [1, 0, 2]), self.turned, transpose_b=True)
        own = tf.transpose(tf.reduce_sum(tf.square(turned), 2))
        linear = tf.matmul(white, tf.identity(self.means), transpose_b=True) + self.bias
        return self.scale * (linear + 0.5 * own)
