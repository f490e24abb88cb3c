"""What a model has to say of rows, and what it is calibrated by."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from keras_ccl.bounds.calibration import best_temperature, threshold_of_coverage
from keras_ccl.data.validation import check_positive, check_share


class Evidence(NamedTuple):
    """What a model has to say of N rows.

    Attributes:
        logits: `[N, K]`, of networks and memory together.
        familiarity: `[N]`, nats; None of a model that knows no p(x).
    """

    logits: np.ndarray
    familiarity: np.ndarray | None


class Identified(NamedTuple):
    """What `identify` answers of N rows.

    Attributes:
        label: `[N]`, the name of the most likely class.
        probability: `[N]`, that of this class, calibrated.
        probabilities: `[N, K]`, those of all classes.
        familiarity: `[N]`, nats; None of a model that knows no p(x), as `familiar` then is.
        familiar: `[N]`, whether the familiarity reaches the threshold.
    """

    label: np.ndarray
    probability: np.ndarray
    probabilities: np.ndarray
    familiarity: np.ndarray | None
    familiar: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What `calibrate` found.

    Attributes:
        temperature: what logits are divided by.
        threshold: rows of less familiarity, in nats, are not familiar; None of a model that knows
            no p(x).
        coverage: the share of rows of what was learnt that reaches it.
        tasks_seen: how many tasks the model had learnt. It means nothing after another one.
    """

    temperature: float
    threshold: float | None
    coverage: float
    tasks_seen: int

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)
        if self.threshold is not None:
            check_positive("threshold", abs(self.threshold), or_zero=True)
        check_share("coverage", self.coverage, or_one=True)
        check_positive("tasks_seen", self.tasks_seen, integer=True)


class Labelled(NamedTuple):
    """Rows with labels.

    Attributes:
        evidence: what a model has to say of them.
        y: `[N]`.
        weights: `[N]`, adding up to 1.
    """

    evidence: Evidence
    y: np.ndarray
    weights: np.ndarray


def tempered(logits: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(logits / T), `[N, K]`, float32."""
    scaled = logits / np.float32(temperature)
    shares = np.exp(scaled - scaled.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def temperature_of(given: Labelled, made: Labelled | None, tasks: int) -> float:
    """The temperature that suits rows of all tasks.

    Args:
        given: rows of one task, which weighs 1.
        made: generated rows of all tasks, which weigh all but one; or None.
        tasks: how many.
    """
    if made is None:
        return best_temperature(given.evidence.logits, given.y, given.weights)
    logits = np.concatenate([given.evidence.logits, made.evidence.logits])
    weights = np.concatenate([given.weights, (tasks - 1) * made.weights])
    return best_temperature(logits, np.concatenate([given.y, made.y]), weights)


def threshold_of(given: Labelled, made: Labelled | None, coverage: float) -> float | None:
    """The familiarity that a share of the rows of all tasks reaches.

    It is that of the rows given, moved by how generated rows of all tasks differ from those of the
    classes given. None where no familiarity is known.

    Args:
        given: rows of one task.
        made: generated rows of all tasks, or None.
        coverage: the share.
    """
    if given.evidence.familiarity is None:
        return None
    found = threshold_of_coverage(given.evidence.familiarity, given.weights, coverage)
    if made is None or made.evidence.familiarity is None:
        return found
    nats, weights, alike = made.evidence.familiarity, made.weights, np.isin(made.y, given.y)
    if not alike.any():
        return found
    of_all = threshold_of_coverage(nats, weights, coverage)
    return found + of_all - threshold_of_coverage(nats[alike], weights[alike], coverage)
