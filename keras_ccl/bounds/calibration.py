"""What rows with labels tell of how sure a model may be, and of how familiar rows are (NumPy)."""

from __future__ import annotations

import numpy as np

from keras_ccl.bounds.discriminants import best_scale

COARSE, FINE, FURTHER = np.geomspace(1e-3, 1e3, 61), 41, 1.3
"""Temperatures tried first; how many more between the neighbours of the best, a factor apart."""


def best_temperature(logits: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """The temperature T with which softmax(logits / T) makes labels most likely (Guo et al. 2017).

    The likelihood has one maximum in 1 / T.

    Args:
        logits: `[n, K]`, of rows that were not learnt.
        y: `[n]`, labels.
        weights: `[n]`, not negative.

    Returns:
        T, between 0.001 and 1000, to a hundredth of itself.
    """
    logits = logits.astype(np.float64)
    _, near = best_scale(logits, y, weights, 1 / COARSE)
    fine = near * np.geomspace(1 / FURTHER, FURTHER, FINE)
    _, scale = best_scale(logits, y, weights, fine)
    return float(np.clip(1 / scale, COARSE[0], COARSE[-1]))


def threshold_of_coverage(values: np.ndarray, weights: np.ndarray, coverage: float) -> float:
    """The largest of the values that at least a share of their weight reaches.

    Args:
        values: `[n]`.
        weights: `[n]`, not negative, of rows; not all 0.
        coverage: the share.
    """
    order = np.argsort(-values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    enough = reached >= coverage - 1e-9  # sums of shares are rounded
    return float(values[order][np.argmax(enough)])
