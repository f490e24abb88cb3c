"""Linear classifiers in closed form, from counts, sums and second moments of features.

The statistics of rows that come task after task are those of all rows together, whatever their
order: what is solved from them does not forget.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

NEVER = -1e9
"""The logit of a class that no row had."""

LEAST_VARIANCE = 1e-6
"""Of a feature."""

ROUNDING = 2e-6
"""Of sums in float32, as a share of the largest: nothing smaller is told from the products."""

PENALTIES = (0.3, 3.0, 30.0, 300.0)
"""Of a ridge regression, in units of the mean variance of a feature, ascending."""

MOST_PROBES = 128
"""Random vectors that tell the trace of an inverse to a percent or so."""

LEAST_UNEXPLAINED = 0.01
"""The variance of a score is at least that of a deviation of 0.1: logits stay within some 100."""


class Moments(NamedTuple):
    """Sums over rows with features f `[D]` and labels y, each counting by its weight.

    Attributes:
        counts: `[K]`, of the rows of each class.
        sums: `[K, D]`, of f of each class.
        products: `[D, D]`, of f f', or `[D]`, of their diagonals.
    """

    counts: np.ndarray
    sums: np.ndarray
    products: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Of each class, `[K, D]`; 0 where it has no rows."""
        return self.sums / np.maximum(self.counts, 1e-30)[:, np.newaxis]

    @property
    def centre(self) -> np.ndarray:
        """The mean of all rows, `[D]`."""
        return self.sums.sum(0) / self.counts.sum()


class Linear(NamedTuple):
    """logits = (f - centre) @ kernel + bias, which loses fewer digits than f @ kernel would.

    Attributes:
        centre: `[D]`, the mean of all rows.
        kernel: `[D, K]`.
        bias: `[K]`.
    """

    centre: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray


def nearest_mean(moments: Moments) -> Linear:
    """p(y|f) where each class is a Gaussian about its mean with the same spread in all directions.

    The most likely class is the one whose mean is nearest. Classes are equally likely.

    Args:
        moments: with the diagonals of the products, `[D]`.
    """
    means = moments.means
    within = moments.products.sum() - np.sum(moments.counts * np.square(means).sum(1))
    variance = max(within / (moments.counts.sum() * means.shape[1]), LEAST_VARIANCE)
    about = means - moments.centre
    return _only_met(about.T / variance, -np.square(about).sum(1) / (2 * variance), moments)


def linear_discriminant(moments: Moments, shrinkage: float) -> Linear:
    """p(y|f) where each class is a Gaussian about its mean with the same covariance.

    Hayes and Kanan 2020. Classes are equally likely.

    Args:
        moments: with products `[D, D]`.
        shrinkage: the share of the covariance that is replaced by a multiple of the identity.
    """
    means, covariance = moments.means, within_classes(moments)
    spread = max(np.trace(covariance) / len(covariance), LEAST_VARIANCE)
    covariance = _plus_diagonal((1 - shrinkage) * covariance, shrinkage * spread)
    about = means.T - moments.centre[:, np.newaxis]
    kernel = np.linalg.solve(covariance, about)
    return _only_met(kernel, -0.5 * np.sum(about * kernel, 0), moments)


def within_classes(moments: Moments) -> np.ndarray:
    """The covariance of features about the means of their classes, `[D, D]`.

    Args:
        moments: with products `[D, D]`.
    """
    means = moments.means
    within = moments.products - (means.T * moments.counts) @ means
    return within / moments.counts.sum()


def ridge(moments: Moments, penalty: float | None = None) -> Linear:
    """p(y|f) from a ridge regression of one-hot labels on f, with an intercept.

    The score of a class is a Gaussian about its one-hot value, whose variance is the error that
    generalised cross-validation (Golub, Heath and Wahba 1979) expects on other rows: logits are
    scores over that variance.

    Args:
        moments: with products `[D, D]`.
        penalty: of the squared coefficients, in units of the mean variance of a feature; None: the
            first of `PENALTIES` after which the error rises. The sums tell it, without any row.
    """
    rows, centre = moments.counts.sum(), moments.centre
    scatter = moments.products - rows * np.outer(centre, centre)
    spread = max(np.trace(scatter) / (rows * len(scatter)), LEAST_VARIANCE)
    scatter = _plus_diagonal(scatter, ROUNDING * np.diagonal(moments.products).max())
    with_labels = moments.sums.T - np.outer(centre, moments.counts)
    of_labels = np.sum(moments.counts * (1 - moments.counts / rows))
    probes = _probes(len(scatter))

    def solved(penalty: float) -> tuple[float, np.ndarray]:
        # S + p I = L L': the trace of its inverse is what |L^-1 v|^2 is on average.
        factor = np.linalg.cholesky(_plus_diagonal(scatter, penalty * spread))
        kernel = tf.linalg.cholesky_solve(factor, with_labels).numpy()
        trace = np.sum(np.square(tf.linalg.triangular_solve(factor, probes)))
        freedom = len(scatter) - penalty * spread * trace
        # With (S + p I) k = b, the squares left are y'y - 2 k'b + k'S k = y'y - k'b - p k'k.
        left = of_labels - np.sum(with_labels * kernel) - penalty * spread * np.sum(kernel**2)
        free = max(1 - (1 + freedom) / rows, 1e-3)
        return max(left, 0) / (rows * len(moments.counts) * free**2), kernel

    error, kernel = _least_penalized(solved, PENALTIES if penalty is None else (penalty,))
    variance = max(error, LEAST_UNEXPLAINED)
    return _only_met(kernel / variance, moments.counts / (rows * variance), moments)


def _least_penalized(
    solved: Callable[[float], tuple[float, np.ndarray]], penalties: Sequence[float]
) -> tuple[float, np.ndarray]:
    """What is solved with the smallest penalty after which the error rises.

    Args:
        solved: a penalty -> an error and the kernel.
        penalties: ascending. One that rounding of the sums outweighs is passed over.
    """
    least: tuple[float, np.ndarray] | None = None
    for penalty in penalties:
        try:
            found = solved(penalty)
        except np.linalg.LinAlgError:  # not positive definite
            if least is None and penalty == penalties[-1]:
                raise
            continue
        if least is not None and found[0] >= least[0]:
            break
        least = found
    assert least is not None
    return least


def _probes(size: int) -> np.ndarray:
    """Vectors `[D, P]` with tr(M) = tr(V' M V), near enough where D is large (Hutchinson 1990)."""
    if size <= MOST_PROBES:
        return np.eye(size)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (size, MOST_PROBES))
    return signs / math.sqrt(MOST_PROBES)


def _plus_diagonal(matrix: np.ndarray, value: float) -> np.ndarray:
    added = matrix.copy()
    added.flat[:: len(matrix) + 1] += value
    return added


def _only_met(kernel: np.ndarray, bias: np.ndarray, moments: Moments) -> Linear:
    met = moments.counts > 0
    return Linear(moments.centre, np.where(met, kernel, 0), np.where(met, bias, NEVER))
