"""Divergences between posteriors: pure maths, in nats, one value a row."""

import tensorflow as tf
import tensorflow_probability as tfp


def kl_divergence(q, p):
    """KL(q || p) in closed form.

    Args:
        q: distribution with batch shape [B], or [].
        p: distribution over the same events, batch shape [B], or [].

    Returns:
        [B], nats.
    """
    return tfp.distributions.kl_divergence(q, p)


def information_gain(q, z):
    """A one-sample estimate of KL(q(z given x_i) || q(z)), whose mean over rows is I(z; x).

    q(z) is the aggregate posterior of the batch, the mean of q(z given x_j) over its rows, so no
    value exceeds log B. The paper names its regulariser L_I "negative information gain" and leaves
    it open; this definition is ours (docs/architecture.md).

    Args:
        q: posteriors, batch shape [B], event shape [Z].
        z: [B, Z], row i a sample of q(z given x_i).

    Returns:
        [B], nats.
    """
    pairwise = q.log_prob(z[:, tf.newaxis, :])  # [B, B]: sample i under posterior j
    rows = tf.cast(tf.shape(z)[0], tf.float32)
    aggregate = tf.reduce_logsumexp(pairwise, axis=1) - tf.math.log(tf.maximum(rows, 1.0))
    return tf.linalg.diag_part(pairwise) - aggregate
