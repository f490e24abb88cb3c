"""What the final student answers after export: deterministic functions of tensors.

Both are made of operations that ONNX, LiteRT and TensorFlow all have: no sampling, no triangular
solve, and none of TFP's guarded products.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Served(NamedTuple):
    """A function to export.

    Attributes:
        function: a `tf.function` of one float32 tensor that returns a dict of float32 tensors.
        input_name, input_shape: of the one input, its first axis the batch, None.
        networks: the Keras models that hold its weights.
    """

    function: Any
    input_name: str
    input_shape: tuple
    networks: tuple


def classifier(model):
    """x [B, *input_shape] -> what the student makes of it.

    `probabilities` [B, K] and `logits` [B, K] of p(y|z) at the posterior mean, `latent_mean` and
    `latent_log_var` [B, Z] of q(z|x), and `familiarity` [B], nats: a bound on log p(x) at the
    posterior mean, log p(x|z) minus `kl_to_prior`. It is low for an input unlike anything learnt.
    """
    prior = folded_prior(model.p_z)
    shape = (None, *model.input_shape)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
    def classify(x):
        q = model.encode(x)
        z = q.mean()
        logits = model.classify(z).logits_parameter()
        log_p_x = model.observation.exportable_log_prob(model.decoder(z), x)
        return {
            "probabilities": tf.nn.softmax(logits),
            "logits": tf.identity(logits),
            "latent_mean": tf.identity(z),
            "latent_log_var": tf.math.log(q.variance()),
            "familiarity": log_p_x - kl_to_prior(z, q.variance(), prior),
        }

    return Served(classify, "x", shape, (model.encoder, model.decoder, model.classifier))


def decoder(model):
    """z [B, Z] -> `x` [B, *input_shape], the mean of p(x|z), and `probabilities` [B, K] of z."""
    shape = (None, model.latent_dim)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="z")])
    def decode(z):
        return {
            "x": model.decode(z).mean(),
            "probabilities": tf.nn.softmax(model.classify(z).logits_parameter()),
        }

    return Served(decode, "z", shape, (model.decoder, model.classifier))


class FoldedPrior(NamedTuple):
    """p(z) = sum_k w_k N(z; m_k, L_k L_k') as matrices to multiply with, k of C components.

    Attributes:
        whiten: [Z, C Z], the transposed inverses of L_k side by side; shift: [C Z], so that
            z @ whiten - shift are the whitened offsets of z from every m_k.
        precision: [Z, C], the diagonals of the inverse covariances.
        log_scale: [C], log w_k minus the log of the density's normaliser.
    """

    whiten: Any
    shift: Any
    precision: Any
    log_scale: Any


def folded_prior(p_z):
    """The `FoldedPrior` of a model's p(z); components without weight are left out."""
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


def kl_to_prior(mean, variance, prior):
    """KL(q(z|x) || p(z)) for p(z) = N(0, I); a bound above it for a mixture.

    -H(q) - log sum_k w_k exp(E_q[log N_k(z)]) (Hershey and Olsen 2007): needs no sample.

    Args:
        mean, variance: [B, Z], of q(z|x); prior: `FoldedPrior`.

    Returns:
        [B], nats.
    """
    components, dim = prior.log_scale.shape[0], mean.shape[1]
    whitened = tf.matmul(mean, prior.whiten) - prior.shift
    distances = tf.reduce_sum(tf.square(tf.reshape(whitened, [-1, components, dim])), 2)
    expected = prior.log_scale - 0.5 * (distances + tf.matmul(variance, prior.precision))
    entropy = 0.5 * tf.reduce_sum(tf.math.log(variance) + 1 + math.log(2 * math.pi), 1)
    return -entropy - tf.reduce_logsumexp(expected, 1)
