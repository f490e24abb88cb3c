"""Gaussians of low rank: what is kept of a class so that rows like its own can be drawn (NumPy)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEAST_SQUARE = 1e-2
"""Of the distance of a row from the mean, as a share of the mean square: no row tells more."""


class LowRank(NamedTuple):
    """A Gaussian with covariance F'F + diag(v), and the rows it was fitted to.

    Attributes:
        seen: The number of rows, or the sum of their weights.
        mean: `[D]`.
        factors: F, `[r, D]`, orthogonal rows, the longest first.
        rest: v, `[D]`, the variance that the factors leave.
        heaviness: What `heaviness_of` says of its rows.
    """

    seen: float
    mean: np.ndarray
    factors: np.ndarray
    rest: np.ndarray
    heaviness: float = 0.0

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
        if len(spread) > len(mean):
            spread = np.asarray(np.linalg.qr(spread, mode="r"))  # the same products, fewer rows
        rank = len(self.factors)
        _, vectors = np.linalg.eigh(spread @ spread.T)  # ascending
        factors = vectors[:, ::-1][:, :rank].T @ spread
        left = np.square(spread).sum(0) - np.square(factors).sum(0)
        rest = np.maximum(left, 0) + self.seen / total * self.rest
        found = LowRank(total, mean, factors, rest)
        of_rows = weights.sum() * found.heaviness_of(rows, weights)
        return found._replace(heaviness=(self.seen * self.heaviness + of_rows) / total)

    def heaviness_of(self, rows: np.ndarray, weights: np.ndarray) -> float:
        """How much the logs of distances from the mean vary beyond those of a Gaussian.

        Args:
            rows: `[n, D]`, that it was fitted to.
            weights: `[n]`, not negative, one of them positive.

        Returns:
            The variance of log |x - mean|, less about that of rows drawn of the Gaussian, or 0.
        """
        along = np.square(self.factors)
        trace = along.sum() + self.rest.sum()
        if not trace:
            return 0.0
        squares = np.square(rows - self.mean).sum(1)
        logs = 0.5 * np.log(np.maximum(squares / trace, LEAST_SQUARE))
        found = np.average(np.square(logs - np.average(logs, weights=weights)), weights=weights)
        of_square = np.square(along.sum(1)).sum() + (2 * along.sum(0) + self.rest) @ self.rest
        return max(float(found - of_square / (2 * trace**2)), 0.0)
