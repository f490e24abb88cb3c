"""What examples print of certainty, of familiarity, and of what these give away."""

import numpy as np

import keras_ccl as ccl
from keras_ccl import uncertainty


def print_separation(kind: str, known: np.ndarray, unknown: np.ndarray) -> None:
    """Print how well familiarity tells known images from others."""
    area = uncertainty.auroc(known, unknown)
    wrong = uncertainty.false_positive_rate(known, unknown)
    print(f"{kind}: AUROC {area:.4f}, FPR95 {wrong:.4f}")


def print_calibration(when: str, probabilities: np.ndarray, y: np.ndarray) -> None:
    """Print how far probabilities are from what comes true."""
    error = uncertainty.expected_calibration_error(probabilities, y)
    nats = uncertainty.negative_log_likelihood(probabilities, y)
    print(f"{when} calibration: ECE {error:.4f}, NLL {nats:.4f}")


def print_membership(when: str, model: ccl.CCLGM, members: np.ndarray, others: np.ndarray) -> None:
    """Print how well what a model says of images tells those that it learnt from others.

    Args:
        when: for the line.
        model: the student.
        members: training images of a class.
        others: test images of it.
    """
    scores = {
        "bound": model.elbo,
        "familiarity": model.familiarity,
        "probability": lambda x: model.predict(x, verbose=0).max(1),
    }
    found = {name: uncertainty.auroc(of(members), of(others)) for name, of in scores.items()}
    print(f"{when}: AUROC by", ", ".join(f"{name} {area:.4f}" for name, area in found.items()))
