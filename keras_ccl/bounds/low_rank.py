"""Gaussians of low rank: what is kept of a class so that rows like its own can be drawn (NumPy)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class LowRank(NamedTuple):
    """A Gaussian with covariance F'F + diag(v), and the rows it was fitted to.

    Attributes:
        seen: The number of rows, or the sum of their weights.
        mean: `[D]`.
        factors: F, `[r, D]`, orthogonal rows, the longest first.
        rest: v, `[D]`, the variance that the factors leave.
    """

    seen: float
    mean: np.ndarray
    factors: np.ndarray
    rest: np.ndarray

    def with_rows(self, rows: np.ndarray, weights: np.ndarray) -> LowRank:
        """Fit it to further rows too.

        Mean and variances stay exact; of the covariances, the r directions of largest variance.

        Args:
            rows: `[n, D]`.
            weights: `[n]`, not negative.

        Returns:
            The Gaussian of all rows.
        """
        added = float(weights.sum())
        if not added:
            return self
        total = self.seen + added
        centre = weights @ rows / added
        mean = self.mean + (added / total) * (centre - self.mean)
        between = np.sqrt(self.seen * added) / total * (centre - self.mean)
        within = np.sqrt(weights / total)[:, np.newaxis] * (rows - centre)
        before = np.sqrt(self.seen / total) * self.factors
        spread = np.concatenate([before, within, between[np.newaxis]])
        rank = len(self.factors)
        _, vectors = np.linalg.eigh(spread @ spread.T)  # ascending
        factors = vectors[:, ::-1][:, :rank].T @ spread
        left = np.square(spread).sum(0) - np.square(factors).sum(0)
        rest = np.maximum(left, 0) + self.seen / total * self.rest
        return LowRank(total, mean, factors, rest)
