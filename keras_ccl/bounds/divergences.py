"""Divergences between posteriors: pure functions, in nats, one value per row."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd


def kl_divergence(q: tfd.Distribution, p: tfd.Distribution) -> tf.Tensor:
    """Compute KL(q || p) in closed form.

    Args:
        q: A distribution with batch shape `[B]` or `[]`.
        p: A distribution over the same events, with batch shape `[B]` or `[]`.

    Returns:
        The divergence of each row, `[B]`, in nats.
    """
    return tfd.kl_divergence(q, p)


def information_gain(q: tfd.Distribution, z: tf.Tensor) -> tf.Tensor:
    """Estimate KL(q(z|x_i) || q(z)) from one sample; its mean over rows estimates I(z; x).

    q(z) is the aggregate posterior of the batch, the mean of q(z|x_j) over its rows, so no value
    exceeds log B. The paper names its regulariser L_I "negative information gain" without defining
    it; this definition is ours (see docs/architecture.md).

    Args:
        q: Posteriors with batch shape `[B]` and event shape `[Z]`.
        z: `[B, Z]`, where row i is a sample of q(z|x_i).

    Returns:
        The estimate for each row, `[B]`, in nats.
    """
    pairwise = q.log_prob(z[:, tf.newaxis, :])  # [B, B]: sample i under posterior j
    rows = tf.cast(tf.shape(z)[0], tf.float32)
    aggregate = tf.reduce_logsumexp(pairwise, axis=1) - tf.math.log(tf.maximum(rows, 1.0))
    return tf.linalg.diag_part(pairwise) - aggregate
