"""Noise that is the same compiled by XLA or not: TensorFlow's own differs between the two."""

import contextlib
import math
from unittest import mock

import tensorflow as tf
from tensorflow_probability.python.internal import samplers

drawn = tf.random.stateless_uniform


def positive(seed):
    """XLA reads a negative seed in another way than TensorFlow does."""
    return tf.bitwise.bitwise_and(tf.cast(seed, tf.int32), 2**31 - 1)


def uniform(shape, seed, minval=0, maxval=None, dtype=tf.float32, name=None, **_):
    """Uniform numbers: integers as TensorFlow draws them, others out of 24 random bits each."""
    if not tf.as_dtype(dtype).is_floating:
        return drawn(shape, positive(seed), minval, maxval, dtype)
    bits = tf.bitwise.right_shift(
        drawn(shape, positive(seed), None, None, tf.uint32), tf.constant(8, tf.uint32)
    )
    share = (tf.cast(bits, dtype) + 0.5) / 2**24  # never 0 or 1
    return minval + ((1 if maxval is None else maxval) - minval) * share


def split(seed, num=2, alg=None):
    """Further seeds out of one."""
    return drawn([num, 2], positive(seed), None, None, tf.int32)


def normal(shape, seed, mean=0.0, stddev=1.0, dtype=tf.float32, name=None, **_):
    """Normal numbers by Box and Muller."""
    first, second = tf.unstack(split(seed))
    radius = tf.sqrt(-2 * tf.math.log(uniform(shape, first)))
    return tf.cast(mean + stddev * radius * tf.cos(2 * math.pi * uniform(shape, second)), dtype)


def categorical(logits, num_samples, seed, dtype=tf.int64, name=None, **_):
    """Classes by the Gumbel trick."""
    shape = [tf.shape(logits)[0], num_samples, tf.shape(logits)[1]]
    gumbel = -tf.math.log(-tf.math.log(uniform(shape, seed)))
    return tf.argmax(logits[:, tf.newaxis] + gumbel, 2, dtype)


@contextlib.contextmanager
def plain_noise():
    """A context in which all noise is drawn so."""
    names = {
        "stateless_uniform": uniform,
        "stateless_normal": normal,
        "stateless_categorical": categorical,
    }
    with (
        mock.patch.multiple(tf.random, **names),
        mock.patch.multiple(samplers.tf.random, **names),
        mock.patch.object(tf.random.experimental, "stateless_split", split),
    ):
        yield
