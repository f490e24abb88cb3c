"""The three distributions of the model, made from raw network outputs.

Networks return plain tensors, since a Keras layer cannot return a distribution; here each becomes a
TensorFlow Probability distribution, in float32 whatever the compute precision, and from here on
only distributions are passed.
"""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

LOG_VAR_LIMIT = 12.0
"""Log-variances are bounded smoothly to (-12, 12): a scale between 0.0025 and 403."""

LIKELIHOODS = ("bernoulli", "gaussian")


def posterior(parameters):
    """q(z given x), a diagonal Gaussian.

    Args:
        parameters: [B, 2 Z], the mean beside the raw log-variance, as the encoder returns them.

    Returns:
        A distribution with batch shape [B] and event shape [Z].
    """
    mean, raw_log_var = tf.split(tf.cast(parameters, tf.float32), 2, axis=-1)  # [B, Z] each
    log_var = LOG_VAR_LIMIT * tf.tanh(raw_log_var / LOG_VAR_LIMIT)
    return diagonal_gaussian(mean, log_var)


def diagonal_gaussian(mean, log_var):
    """N(mean, diag(exp(log_var))). The scale is exp(log_var / 2): never pass a log-variance on."""
    return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * log_var)), reinterpreted_batch_ndims=1)


def standard_normal(dim):
    """N(0, I) over [dim], the prior of the paper and of every training bound."""
    return diagonal_gaussian(tf.zeros([dim]), tf.zeros([dim]))


def observation(parameters, likelihood, scale):
    """p(x given z), independent over the axes of x.

    Args:
        parameters: [B, ...], as the decoder returns them: logits of a Bernoulli, or means of a
            Gaussian.
        likelihood: `"bernoulli"` (x in [0, 1]; for grey values log p is the cross-entropy) or
            `"gaussian"`.
        scale: standard deviation of the Gaussian; the Bernoulli has none.

    Returns:
        A distribution with batch shape [B] and the event shape of x.
    """
    parameters = tf.cast(parameters, tf.float32)
    if likelihood == "bernoulli":
        pixels = _Pixels(logits=parameters, dtype=tf.float32)
    else:
        pixels = tfd.Normal(parameters, scale)
    return tfd.Independent(pixels, reinterpreted_batch_ndims=len(parameters.shape) - 1)


class _Pixels(tfd.Bernoulli):
    """TFP's Bernoulli with half the work in log p: one softplus a pixel, where TFP takes two."""

    def _log_prob(self, event):
        logits = self.logits_parameter()
        return event * logits - tf.nn.softplus(logits)


def label(logits):
    """p(y given z), one of K classes, y one-hot or a row of probabilities.

    Args:
        logits: [B, K].

    Returns:
        A distribution with batch shape [B] and event shape [K]. Its `log_prob` of a row of
        probabilities y is the sum over k of y_k log p(k given z).
    """
    return tfd.OneHotCategorical(logits=tf.cast(logits, tf.float32), dtype=tf.float32)
