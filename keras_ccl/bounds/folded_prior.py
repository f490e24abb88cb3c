"""p(z) as matrices to multiply by, and the divergence from it without sampling."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_ccl.bounds.priors import MixturePrior, NormalPrior, squared_offsets


class FoldedPrior(NamedTuple):
    """p(z) = sum_k w_k N(z; m_k, L_k L_k') over C components, as matrices to multiply by.

    Attributes:
        whiten: The transposed inverses of all L_k side by side, `[Z, C Z]`.
        shift: `[C Z]`; z @ whiten - shift are the whitened offsets of z from every m_k.
        precision: The diagonals of the inverse covariances, `[Z, C]`.
        log_scale: log w_k minus the logarithm of the normaliser of the density, `[C]`.
    """

    whiten: np.ndarray
    shift: np.ndarray
    precision: np.ndarray
    log_scale: np.ndarray


def folded_prior(p_z: NormalPrior | MixturePrior) -> FoldedPrior:
    """Convert p(z) to a `FoldedPrior`, leaving out components without weight.

    Args:
        p_z: The prior of a model.

    Returns:
        The same prior as float32 matrices.
    """
    log_weights, means, trils = p_z.gaussians()
    kept = log_weights > math.log(1e-12)
    log_weights, means, trils = log_weights[kept], means[kept], trils[kept]
    inverses = np.linalg.inv(trils.astype(np.float64))  # [C, Z, Z]
    log_det = np.log(np.diagonal(trils, axis1=1, axis2=2).astype(np.float64)).sum(1)
    dim = means.shape[1]
    arrays = (
        inverses.transpose(2, 0, 1).reshape(dim, -1),
        np.einsum("cij,cj->ci", inverses, means).reshape(-1),
        np.square(inverses).sum(1).T,
        log_weights - log_det - 0.5 * dim * math.log(2 * math.pi),
    )
    return FoldedPrior(*(array.astype(np.float32) for array in arrays))


def kl_to_prior(mean: tf.Tensor, variance: tf.Tensor, prior: FoldedPrior) -> tf.Tensor:
    """Compute an upper bound on KL(q(z|x) || p(z)) without sampling.

    The bound is -H(q) - log sum_k w_k exp(E_q[log N_k(z)]) (Hershey and Olsen 2007). For a single
    Gaussian, such as N(0, I), it equals the divergence.

    Args:
        mean: The mean of q(z|x), `[B, Z]`.
        variance: The variance of q(z|x), `[B, Z]`.
        prior: p(z).

    Returns:
        The bound for each row, `[B]`, in nats.
    """
    distances = squared_offsets(mean, prior.whiten, prior.shift)
    expected = prior.log_scale - 0.5 * (distances + tf.matmul(variance, prior.precision))
    entropy = 0.5 * tf.reduce_sum(tf.math.log(variance) + 1 + math.log(2 * math.pi), 1)
    return -entropy - tf.reduce_logsumexp(expected, 1)
