"""Whether a model is as sure as it may be, and whether it tells what it does not know (NumPy)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "Reliability",
    "RiskCoverage",
    "auroc",
    "expected_calibration_error",
    "false_positive_rate",
    "negative_log_likelihood",
    "reliability",
    "risk_coverage",
]

BINS = 15


class Reliability(NamedTuple):
    """How often a classifier is right, by how sure it is. Bins without rows are NaN.

    Attributes:
        confidence: `[bins]`, the mean probability of the most likely class.
        accuracy: `[bins]`, the share of rows for which this class is the right one.
        rows: `[bins]`, how many rows there are.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    rows: np.ndarray


class RiskCoverage(NamedTuple):
    """The error of a classifier that answers only the rows that it is surest of.

    Attributes:
        coverage: `[n]`, the share of rows answered, ascending to 1.
        risk: `[n]`, the share of these that are answered wrongly.
        area: the mean risk over all coverages, AURC (Geifman et al. 2019).
    """

    coverage: np.ndarray
    risk: np.ndarray
    area: float


def reliability(probabilities: ArrayLike, y: ArrayLike, *, bins: int = BINS) -> Reliability:
    """Compute what a reliability diagram shows (Niculescu-Mizil and Caruana 2005).

    Rows are put into bins of equal width by the probability of their most likely class; a bin is
    closed at its upper end.

    Args:
        probabilities: p(y|x), `[n, K]`.
        y: Integer labels, `[n]`.
        bins: How many.

    Returns:
        The mean confidence, the accuracy and the number of rows of each bin.

    Raises:
        ValueError: If the arguments do not fit, or there are no rows.
    """
    shares, labels = _checked(probabilities, y)
    confidence, right = shares.max(1), shares.argmax(1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    rows = np.bincount(bin_of, minlength=bins)
    sums = np.bincount(bin_of, confidence, bins), np.bincount(bin_of, right, bins)
    with np.errstate(invalid="ignore"):
        return Reliability(sums[0] / rows, sums[1] / rows, rows)


def expected_calibration_error(
    probabilities: ArrayLike, y: ArrayLike, *, bins: int = BINS
) -> float:
    """Compute the mean gap between confidence and accuracy (Naeini et al. 2015, Guo et al. 2017).

    The gap of a bin is that between its mean probability and its accuracy; bins, which are those of
    `reliability`, weigh by their rows.

    Args:
        probabilities: p(y|x), `[n, K]`.
        y: Integer labels, `[n]`.
        bins: How many.

    Returns:
        The error, in [0, 1].

    Raises:
        ValueError: If the arguments do not fit, or there are no rows.
    """
    found = reliability(probabilities, y, bins=bins)
    gaps = np.abs(found.accuracy - found.confidence)
    return float(np.nansum(gaps * found.rows) / found.rows.sum())


def negative_log_likelihood(probabilities: ArrayLike, y: ArrayLike) -> float:
    """Compute the mean of -log p(y|x).

    Args:
        probabilities: p(y|x), `[n, K]`.
        y: Integer labels, `[n]`.

    Returns:
        The mean, nats; infinite where a label has probability 0.

    Raises:
        ValueError: If the arguments do not fit, or there are no rows.
    """
    shares, labels = _checked(probabilities, y)
    with np.errstate(divide="ignore"):
        return float(-np.log(shares[np.arange(len(labels)), labels]).mean())


def auroc(known: ArrayLike, unknown: ArrayLike) -> float:
    """Compute the area under the ROC curve: how well a score tells known rows from unknown ones.

    It is the chance that a known row scores above an unknown one, ties counted half.

    Args:
        known: The scores of rows such as were learnt, `[n]`.
        unknown: The scores of others, `[m]`.

    Returns:
        The area: 0.5 by chance, 1 at best.

    Raises:
        ValueError: If there are none of either, or one is NaN.
    """
    high, low = _scores("known", known), np.sort(_scores("unknown", unknown))
    below, not_above = (np.searchsorted(low, high, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * len(low)))


def false_positive_rate(known: ArrayLike, unknown: ArrayLike, *, recall: float = 0.95) -> float:
    """Compute FPR95: the share of unknown rows taken for known where `recall` of the known are.

    Args:
        known: As in `auroc`.
        unknown: As in `auroc`.
        recall: The least share of known rows that reach the threshold.

    Returns:
        The share.

    Raises:
        ValueError: As in `auroc`, or if `recall` is not in (0, 1].
    """
    if not 0 < recall <= 1:
        raise ValueError(f"recall: expected a share in (0, 1], received {recall}")
    high, low = np.sort(_scores("known", known)), _scores("unknown", unknown)
    threshold = high[len(high) - int(np.ceil(recall * len(high) - 1e-9))]
    return float((low >= threshold).mean())


def risk_coverage(score: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """Compute risk against coverage (El-Yaniv and Wiener 2010): the rows of highest score first.

    Rows of equal score are answered together.

    Args:
        score: How sure each row is, `[n]`.
        right: Whether it is answered rightly, `[n]`.

    Returns:
        The curve, one point for each different score, and the area.

    Raises:
        ValueError: If the arguments do not fit, or there are no rows.
    """
    scores, correct = _scores("score", score), np.asarray(right)
    if correct.shape != scores.shape or not np.isin(correct, (0, 1)).all():
        raise ValueError(
            f"right: expected {len(scores)} values true or false, received {correct.shape}"
        )
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    answered = last + 1
    risk = np.cumsum(1 - correct[order].astype(float))[last] / answered
    shares = np.diff(answered, prepend=0) / len(scores)
    return RiskCoverage(answered / len(scores), risk, float(shares @ risk))


def _checked(probabilities: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    shares, labels = np.asarray(probabilities, float), np.asarray(y)
    if shares.ndim != 2 or labels.shape != shares.shape[:1] or not len(labels):
        raise ValueError(
            f"expected probabilities [n, K] and labels [n], received {shares.shape} and "
            f"{labels.shape}"
        )
    if not (shares >= 0).all() or not np.allclose(shares.sum(1), 1, atol=1e-3):
        raise ValueError("probabilities: expected rows that add up to 1, received others")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= shares.shape[1]:
        raise ValueError(
            f"y: expected integers from 0 to {shares.shape[1] - 1}, received {labels.dtype} "
            f"{np.unique(labels)[:10]}"
        )
    return shares, labels


def _scores(name: str, values: ArrayLike) -> np.ndarray:
    scores = np.asarray(values, float)
    if scores.ndim != 1 or not len(scores) or np.isnan(scores).any():
        raise ValueError(f"{name}: expected scores [n] without NaN, received {scores.shape}")
    return scores
