"""The joint bound (eq. 4) and the continual objective (eq. 5) as named terms.

Every term is a loss, a quantity to minimise, in nats, with one value per row. The mean over rows is
taken in `weighted_mean` and nowhere else; `total` adds the means with the weights of the method.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_ccl.bounds.divergences import information_gain, kl_divergence


def joint_terms(
    *,
    x: tf.Tensor,
    y: tf.Tensor,
    q: tfd.Distribution,
    p_z: tfd.Distribution,
    p_x: tfd.Distribution,
    p_y: tfd.Distribution,
    p_y_at_mean: tfd.Distribution | None = None,
    share_at_mean: float = 0.0,
) -> dict[str, tf.Tensor]:
    """Compute the terms of the joint bound, eq. 4.

        log p(x, y) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)) + E_q[log p(y|z)]

    The expectations are estimated with one sample z ~ q(z|x) per row, the one at which `p_x` and
    `p_y` were evaluated.

    Args:
        x: Inputs, `[B, ...]`.
        y: Labels, `[B, K]`, one-hot or probabilities; 0 for a row without a label, which has
            no `classification` term.
        q: The posterior q(z|x), batch shape `[B]`, event shape `[Z]`.
        p_z: The prior p(z), event shape `[Z]`.
        p_x: p(x|z), batch shape `[B]`, with the event shape of x.
        p_y: p(y|z), batch shape `[B]`, event shape `[K]`.
        p_y_at_mean: p(y|z) at the mean of q(z|x), where `predict` classifies; needed for a share.
        share_at_mean: The share of log p(y|z) that is taken there, in [0, 1]; 0 is eq. 4.

    Returns:
        The terms `reconstruction`, `kl` and `classification`, each `[B]`, in nats. Minus their sum
        is the bound.
    """
    classification = -p_y.log_prob(y)
    if p_y_at_mean is not None:
        at_mean = -p_y_at_mean.log_prob(y)
        classification = (1 - share_at_mean) * classification + share_at_mean * at_mean
    return {
        "reconstruction": -p_x.log_prob(x),
        "kl": kl_divergence(q, p_z),
        "classification": has_label(y) * classification,
    }


def has_label(y: tf.Tensor) -> tf.Tensor:
    """Tell which rows have a label, 1 or 0, `[B]`, of labels `[B, K]`.

    To be multiplied with: TensorFlow's cross-entropy of a row of zeros is 0, but its gradient is
    not.
    """
    return tf.sign(tf.reduce_max(y, 1))


def novelty(p_y: tfd.Distribution, classes: tf.Tensor) -> tf.Tensor:
    """Compute -log p(y in C|z): how unlikely it is that a row is of any of the classes C.

    Args:
        p_y: p(y|z), batch shape `[B]`, event shape `[K]`.
        classes: `[K]`, 1 for the classes in C and 0 for the others; of no class, every one is.

    Returns:
        `[B]`, in nats. For y in C, subtracting log p(y|y in C, z) gives -log p(y|z).
    """
    logits = p_y.logits_parameter()
    classes = tf.where(tf.reduce_any(classes > 0), classes, tf.ones_like(classes))
    within = tf.where(classes > 0, logits, -np.inf)
    return tf.reduce_logsumexp(logits, 1) - tf.reduce_logsumexp(within, 1)


def continual_terms(
    *, q_student: tfd.Distribution, q_teacher: tfd.Distribution, z: tf.Tensor, information: bool
) -> dict[str, tf.Tensor]:
    """Compute the terms that eq. 5 adds on generated rows x~.

    Args:
        q_student: q_s(z|x~), batch shape `[B~]`, event shape `[Z]`.
        q_teacher: q_t(z|x~), with the same shapes.
        z: One sample of `q_student` per row, `[B~, Z]`.
        information: Whether to compute the information term. It compares every pair of rows and
            would take half the time of a step.

    Returns:
        The terms, each `[B~]`, in nats: `distillation`, KL(q_s || q_t), and, if wanted,
        `information`, the estimate of I(z; x~).
    """
    terms = {"distillation": kl_divergence(q_student, q_teacher)}
    if information:
        terms["information"] = information_gain(q_student, z)
    return terms


def quadratic_penalty(
    variables: Sequence[tf.Tensor],
    anchors: Sequence[tf.Tensor],
    importances: Sequence[tf.Tensor],
) -> tf.Tensor:
    """Compute the penalty of EWC, 1/2 sum_i F_i (theta_i - anchor_i)^2 (Kirkpatrick et al. 2017).

    Args:
        variables: The weights theta.
        anchors: Their values after the last task, with the same shapes.
        importances: The diagonal Fisher information F, with the same shapes.

    Returns:
        A scalar, in nats.
    """
    parts = zip(variables, anchors, importances, strict=True)
    return 0.5 * tf.add_n([tf.reduce_sum(f * tf.square(v - a)) for v, a, f in parts])


def weighted_mean(term: tf.Tensor, row_weights: tf.Tensor) -> tf.Tensor:
    """Average a term over rows, the only place where this is done.

    Args:
        term: `[B]`, in nats.
        row_weights: `[B]`; the weights of all rows of a step add up to 1.

    Returns:
        The sum over rows of weight times term, a scalar, in nats.
    """
    return tf.reduce_sum(row_weights * term)


def total(terms: Mapping[str, tf.Tensor], weights: Mapping[str, float]) -> tf.Tensor:
    """Compute the loss: the weighted sum of the terms, either per row or of their means.

    Args:
        terms: Tensors of the same shape by name, in nats.
        weights: The weight of each of the terms.

    Returns:
        A tensor of that shape, in nats.
    """
    weighted = [weights[name] * term for name, term in terms.items()]
    return tf.reduce_sum(tf.stack(weighted), 0)  # in a fixed order, unlike `add_n`


def soft_label_kl(
    teacher: tf.Tensor, student: tf.Tensor, classes: tf.Tensor, temperature: float
) -> tf.Tensor:
    """T^2 KL(teacher || student) of labels among some classes, softened by T (Li and Hoiem 2016).

    T^2 keeps the gradient's size whatever T is (Hinton et al. 2015).

    Args:
        teacher: `[B, K]`, logits.
        student: `[B, K]`, logits.
        classes: `[K]`, 1 for the classes that both are compared on, at least one, else 0.
        temperature: T, which divides the logits.

    Returns:
        `[B]`, nats.
    """
    among = tf.where(classes > 0, 0.0, -1e9)
    log_p = tf.nn.log_softmax(teacher / temperature + among)
    log_q = tf.nn.log_softmax(student / temperature + among)
    return temperature**2 * tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), 1)
