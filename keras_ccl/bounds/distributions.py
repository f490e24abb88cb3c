"""The distributions over z and y, made from raw network outputs.

Networks return plain tensors, since a Keras layer cannot return a distribution. Here each becomes a
TensorFlow Probability distribution, in float32 whatever the compute precision, and from here on
only distributions are passed. Those over x are in `likelihoods`.
"""

from collections.abc import Collection

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

LOG_VAR_LIMIT = 12.0
"""Log-variances are bounded smoothly to (-12, 12): a scale between 0.0025 and 403."""

NEVER = -1e4
"""Added to the logit of a class that is never answered: its probability is 0, not nearly so."""


def posterior(parameters: tf.Tensor) -> tfd.Distribution:
    """q(z|x), a diagonal Gaussian.

    Args:
        parameters: `[B, 2 Z]`, the mean beside the raw log-variance, as the encoder returns them.

    Returns:
        A distribution with batch shape `[B]` and event shape `[Z]`.
    """
    mean, raw_log_var = tf.split(tf.cast(parameters, tf.float32), 2, axis=-1)  # [B, Z] each
    log_var = LOG_VAR_LIMIT * tf.tanh(raw_log_var / LOG_VAR_LIMIT)
    return diagonal_gaussian(mean, log_var)


def diagonal_gaussian(mean: tf.Tensor, log_var: tf.Tensor) -> tfd.Distribution:
    """N(mean, diag(exp(log_var))). The scale is exp(log_var / 2): never pass a log-variance on.

    Args:
        mean: `[..., Z]`.
        log_var: `[..., Z]`.
    """
    return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * log_var)), reinterpreted_batch_ndims=1)


def standard_normal(dim: int) -> tfd.Distribution:
    """N(0, I) over `[dim]`, the prior of the paper and of every training bound."""
    return diagonal_gaussian(tf.zeros([dim]), tf.zeros([dim]))


def label(logits: tf.Tensor, never: Collection[int] = ()) -> tfd.Distribution:
    """p(y|z), one of K classes, y one-hot or a row of probabilities.

    Args:
        logits: `[B, K]`.
        never: the indices of classes whose probability is 0.

    Returns:
        A distribution with batch shape `[B]` and event shape `[K]`. Its `log_prob` of a row of
        probabilities y is the sum over k of y_k log p(k|z).
    """
    logits = tf.cast(logits, tf.float32)
    if never:
        added = np.zeros(logits.shape[-1], np.float32)
        added[list(never)] = NEVER
        logits += added
    return tfd.OneHotCategorical(logits=logits, dtype=tf.float32)
