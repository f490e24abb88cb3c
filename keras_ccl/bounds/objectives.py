"""The joint bound (eq. 4) and the continual objective (eq. 5) as named terms.

Every term is a loss: what is minimised, in nats, one value a row. The mean over rows is taken in
`weighted_mean` and nowhere else; `total` adds the means with the weights of the method.
"""

import numpy as np
import tensorflow as tf

from keras_ccl.bounds.divergences import information_gain, kl_divergence


def joint_terms(*, x, y, q, p_z, p_x, p_y):
    """The terms of the joint bound, eq. 4:

        log p(x, y) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)) + E_q[log p(y|z)]

    with one sample z ~ q(z|x), at which `p_x` and `p_y` were evaluated.

    Args:
        x: [B, ...]; y: [B, K], one-hot or probabilities.
        q: q(z|x); p_z: p(z); p_x: p(x|z); p_y: p(y|z), distributions over the rows.

    Returns:
        dict of [B], nats: `reconstruction`, `kl`, `classification`. Minus their sum is the bound.
    """
    return {
        "reconstruction": -p_x.log_prob(x),
        "kl": kl_divergence(q, p_z),
        "classification": -p_y.log_prob(y),
    }


def classification_at_mean(classification, *, y, p_y_at_mean, share):
    """A share of the classification term taken where `predict` classifies, at the posterior mean.

    Args:
        classification: [B], nats, the term at a sample of z; y: [B, K]; p_y_at_mean: p(y|z) at the
            mean of q(z|x); share: in [0, 1]; 0 is eq. 4.

    Returns:
        [B], nats.
    """
    return (1 - share) * classification - share * p_y_at_mean.log_prob(y)


def novelty(p_y, classes):
    """-log p(y in C|z): how far a row is from being taken for one of the classes C at all.

    Args:
        p_y: p(y|z), batch shape [B] over K; classes: [K], 1 for the classes of C, else 0.

    Returns:
        [B], nats. With log p(y|y in C, z) it makes up log p(y|z), for y in C.
    """
    logits = p_y.logits_parameter()
    within = tf.where(classes > 0, logits, -np.inf)
    return tf.reduce_logsumexp(logits, 1) - tf.reduce_logsumexp(within, 1)


def continual_terms(*, q_student, q_teacher, z, information):
    """The terms that eq. 5 adds on generated rows x~.

    Args:
        q_student: q_s(z|x~); q_teacher: q_t(z|x~); z: [B~, Z], a sample of q_student a row;
        information: whether its term is wanted: it compares every pair of rows, and would take half
            of the time of a step.

    Returns:
        dict of [B~], nats: `distillation`, KL(q_s || q_t); `information`, the estimate of I(z; x~).
    """
    terms = {"distillation": kl_divergence(q_student, q_teacher)}
    if information:
        terms["information"] = information_gain(q_student, z)
    return terms


def quadratic_penalty(variables, anchors, importances):
    """EWC's 1/2 sum_i F_i (theta_i - anchor_i)^2, a scalar, nats (Kirkpatrick et al. 2017).

    Args:
        variables, anchors, importances: lists of tensors of the same shapes.
    """
    parts = zip(variables, anchors, importances, strict=True)
    return 0.5 * tf.add_n([tf.reduce_sum(f * tf.square(v - a)) for v, a, f in parts])


def weighted_mean(term, row_weights):
    """The one place where rows are averaged: sum over rows of weight times term.

    Args:
        term: [B], nats; row_weights: [B], adding up to 1 over all rows of a step.

    Returns:
        a scalar, nats.
    """
    return tf.reduce_sum(row_weights * term)


def total(terms, weights):
    """The loss: the weighted sum of the terms, of each row or of their means.

    Args:
        terms: dict of tensors of one shape, nats; weights: dict of floats, one for each of `terms`.

    Returns:
        a tensor of that shape, nats.
    """
    weighted = [weights[name] * term for name, term in terms.items()]
    return tf.reduce_sum(tf.stack(weighted), 0)  # always in one order: `add_n` is not


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
