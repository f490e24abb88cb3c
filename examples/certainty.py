"""What the example `unfamiliar.py` prints of certainty and familiarity."""

import numpy as np

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
