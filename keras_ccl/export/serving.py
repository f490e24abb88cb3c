"""The functions of the final student that are exported: its classifier and its decoder.

Both are deterministic, and made of operations that ONNX, LiteRT and TensorFlow all have: no
sampling, no triangular solve, and none of the guarded products of TensorFlow Probability. What they
answer for a row that is not finite is NaN.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds.priors import MixturePrior, NormalPrior, squared_offsets
from keras_ccl.models.closed_form_head import ClosedFormHead
from keras_ccl.models.joint_model import JointModel
from keras_ccl.models.rows import where_finite


class Tolerance(NamedTuple):
    """How far an artefact may be from the Keras model, relative to max(1, |value|).

    Attributes:
        probabilities: Of p(y|x).
        x: Of images in [0, 1].
        others: Of tensors whose values are not bounded.
    """

    probabilities: float = 1e-5
    x: float = 1e-5
    others: float = 1e-4


OF_NETWORKS = Tolerance()

OF_HEADS = OF_NETWORKS._replace(probabilities=1e-4)
"""Of a head or a memory: its coefficients are large, and so are the differences that the last
digits of the features make."""

BEHIND_A_BACKBONE = Tolerance(probabilities=1e-4, others=1e-3)
"""Of what reads the features of a deep network: runtimes resize images, and add up its many layers,
in different orders."""

OF_HEADS_BEHIND_A_BACKBONE = Tolerance(probabilities=1e-3, others=1e-2)
"""Of a head, which has nothing else to answer with."""


class Served(NamedTuple):
    """A function to export.

    Attributes:
        function: A `tf.function` of one float32 tensor that returns float32 tensors by name.
        input_name: The name of its input.
        input_shape: The shape of its input; the first axis is the batch, None.
        networks: The Keras layers that hold its weights.
        tolerance: How far what an artefact answers may be from what the Keras model does.
    """

    function: tf.types.experimental.PolymorphicFunction
    input_name: str
    input_shape: tuple[int | None, ...]
    networks: tuple[keras.layers.Layer, ...]
    tolerance: Tolerance = OF_NETWORKS


def classifier(model: JointModel) -> Served:
    """Return the classifier of a model as a function of x `[B, *input_shape]`.

    Its outputs are

    - `probabilities` `[B, K]` and `logits` `[B, K]` of p(y|x), as `predict` gives them;
    - `latent_mean` `[B, Z]` and `latent_log_var` `[B, Z]` of q(z|x);
    - `familiarity` `[B]`, in nats: a bound on log p(x) at the posterior mean, log p(x|z) minus
      `kl_to_prior`. It is low for an input unlike anything learnt.

    Args:
        model: The student, in float32.

    Returns:
        The function to export.
    """
    prior = folded_prior(model.p_z)
    memory = model.feature_memory
    parts_of_memory = memory.answering_parts() if memory is not None else ()
    shape = (None, *model.input_shape)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
    def classify(x: tf.Tensor) -> dict[str, tf.Tensor]:
        seen = model.observe(x)
        q = model.encode(seen)
        z = q.mean()
        logits = model.classify(z).logits_parameter()
        if memory is not None and parts_of_memory:
            logits = memory.together(logits, seen)
        log_p_x = model.observation.exportable_log_prob(model.decoder(z), seen)
        answers = {
            "probabilities": tf.nn.softmax(logits),
            "logits": logits,
            "latent_mean": z,
            "latent_log_var": tf.math.log(q.variance()),
            "familiarity": log_p_x - kl_to_prior(z, q.variance(), prior),
        }
        return {name: where_finite(seen, answer) for name, answer in answers.items()}

    networks = (model.encoder, model.decoder, model.classifier, model.observation)
    parts = (*model.parts_before(), *networks, *parts_of_memory)
    tolerance = OF_HEADS if parts_of_memory else OF_NETWORKS
    if model.backbone is not None:
        tolerance = BEHIND_A_BACKBONE
    return Served(classify, "x", shape, parts, tolerance)


def head(model: ClosedFormHead) -> Served:
    """Return a head in closed form as a function of x `[B, *input_shape]`.

    Its outputs are `probabilities` `[B, K]` and `logits` `[B, K]` of p(y|x).

    Args:
        model: The head.

    Returns:
        The function to export.
    """
    shape = (None, *model.input_shape)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])
    def classify(x: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model.logits(x)
        answers = {"probabilities": tf.nn.softmax(logits), "logits": logits}
        return {name: where_finite(x, answer) for name, answer in answers.items()}

    tolerance = OF_HEADS if model.backbone is None else OF_HEADS_BEHIND_A_BACKBONE
    return Served(classify, "x", shape, model.answering_parts(), tolerance)


def decoder(model: JointModel) -> Served:
    """Return the decoder of a model as a function of z `[B, Z]`.

    Its outputs are `x` `[B, *observed_shape]`, the mean of p(x|z), and `probabilities` `[B, K]` of
    p(y|z).

    Args:
        model: The student, in float32.

    Returns:
        The function to export.
    """
    shape = (None, model.latent_dim)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="z")])
    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = {
            "x": model.decode(z).mean(),
            "probabilities": tf.nn.softmax(model.classify(z).logits_parameter()),
        }
        return {name: where_finite(z, answer) for name, answer in answers.items()}

    tolerance = OF_NETWORKS
    if not model.observation.unit_range:
        tolerance = tolerance._replace(x=tolerance.others)
    parts = (model.decoder, model.classifier, model.observation)
    return Served(decode, "z", shape, parts, tolerance)


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
