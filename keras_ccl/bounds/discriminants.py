"""Quadratic discriminants in closed form, of Gaussians that share most of their covariance (NumPy).

Regularised discriminant analysis (Friedman 1989) where the covariance of a class is known in some
directions, and in all others is that of every class.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from keras_ccl.bounds.closed_form import (
    LEAST_VARIANCE,
    NEVER,
    ROUNDING,
    Moments,
    within_classes,
)

UNRELATED_ROWS = 0.25
"""The covariance between features is shrunk as if so many more rows for each feature had none."""

SCALES = np.geomspace(0.005, 2, 61)
"""Of discriminants, from which `best_scale` chooses."""


class Belief(NamedTuple):
    """How much of the covariance of a class is taken for its own.

    Attributes:
        directions: in so many it has its own variance, those of its largest.
        rows_per_feature: of a class with so many rows for each feature, half of that is believed.
    """

    directions: int
    rows_per_feature: float


BELIEFS = tuple(Belief(*each) for each in itertools.product((60, 20), (2, 8)))
"""From which rows that were not learnt choose."""


class Quadratic(NamedTuple):
    """log N(x; mean of k, covariance of k), up to what is the same for all classes k.

    With u = T'(x - centre), it is m_k'u + bias_k + |A_k (F_k T u - offset_k)|^2 / 2, where F_k are
    the directions that are kept of the class, and T whitens.

    Attributes:
        centre: `[D]`.
        means: m_k, `[K, D]`, of u.
        bias: `[K]`, `NEVER` for a class that no row had.
        offsets: `[K, r]`.
        turned: A_k, `[K, r, r]`.
    """

    centre: np.ndarray
    means: np.ndarray
    bias: np.ndarray
    offsets: np.ndarray
    turned: np.ndarray


def whitening(moments: Moments) -> np.ndarray:
    """T, `[D, D]`, lower triangular: T'x has the identity as covariance about the means of classes.

    Args:
        moments: of x, with products `[D, D]`.
    """
    covariance, rows = within_classes(moments), moments.counts.sum()
    rounding = ROUNDING * np.diagonal(moments.products).max() / rows
    variances = np.maximum(np.diagonal(covariance), LEAST_VARIANCE) + rounding
    believed = rows / (rows + UNRELATED_ROWS * len(covariance)) * covariance
    np.fill_diagonal(believed, variances)
    return np.linalg.cholesky(np.linalg.inv(believed))


def quadratic_discriminant(
    counts: np.ndarray,
    means: np.ndarray,
    whitened_factors: np.ndarray,
    whitening: np.ndarray,
    belief: Belief,
) -> Quadratic:
    """p(x|y) where a class has its own variance in some directions, and all have one elsewhere.

    Where the common covariance is the identity, that of a class is the identity but for its kept
    directions. There its own variance is shrunk towards 1, the more the fewer its rows, and is at
    least 1. Classes are equally likely.

    Args:
        counts: `[K]`, rows of each class, or the sums of their weights.
        means: `[K, D]`.
        whitened_factors: F_k T, `[K, r, D]`, the same for every belief: F_k'F_k is the covariance
            of a class in its kept directions.
        whitening: T, `[D, D]`.
        belief: how much of it is believed.
    """
    met = counts > 0
    centre = counts @ means / counts.sum()
    whitened = np.where(met[:, np.newaxis], means - centre, 0) @ whitening
    bias = -0.5 * np.square(whitened).sum(1)
    offsets = np.zeros(whitened_factors.shape[:2])
    turned = np.zeros((*whitened_factors.shape[:2], whitened_factors.shape[1]))
    for k in np.flatnonzero(met):
        own = counts[k] / (counts[k] + belief.rows_per_feature * len(whitening))
        directions = whitened_factors[k, : belief.directions]
        kept = slice(len(directions))
        offsets[k, kept] = directions @ whitened[k]
        variances, axes = np.linalg.eigh(directions @ directions.T)
        variances = np.maximum(variances, 1)
        shrunk = 1 + own * (variances - 1)
        turned[k, kept, kept] = np.sqrt((1 - 1 / shrunk) / variances)[:, np.newaxis] * axes.T
        bias[k] -= 0.5 * np.log(shrunk).sum()
    return Quadratic(centre, whitened, np.where(met, bias, NEVER), offsets, turned)


def best_scale(
    logits: np.ndarray, y: np.ndarray, weights: np.ndarray, scales: np.ndarray = SCALES
) -> tuple[float, float]:
    """The scale with which logits, of Gaussians that are too sure or of others, tell labels best.

    Args:
        logits: `[n, K]`, of rows that the Gaussians were not fitted to.
        y: `[n]`, labels.
        weights: `[n]`, not negative.
        scales: to choose from.

    Returns:
        The least sum of -log p(y|x), nats, and its scale.
    """
    about = logits - logits.max(1, keepdims=True)
    of_y = about[np.arange(len(y)), y]
    losses = [weights @ (np.log(np.exp(s * about).sum(1)) - s * of_y) for s in scales]
    return float(np.min(losses)), float(scales[np.argmin(losses)])
