"""Labels that are few: rows that have one come more often, and count less each time.

Where a label counts for many rows, steps are noisy, and more of what earlier tasks taught is lost.
Shown so, the gradient is the same on average, and of more rows with a label.
"""

import math
from typing import NamedTuple

import numpy as np

from keras_ccl.data.missing_labels import UNLABELLED

SHARE = 1 / 3
"""Of the rows of a batch that have a label, where fewer of all rows have one."""


class Showing(NamedTuple):
    """What one pass shows.

    Attributes:
        rows: `[M]` indices, of rows with a label several times.
        weight: `[N]`, what a row counts each time, so that all count alike in a pass: 1 on average.
    """

    rows: np.ndarray
    weight: np.ndarray


def showing(y: np.ndarray) -> Showing | None:
    """How often rows come in a pass; None where each comes once.

    Args:
        y: `[N]` labels.
    """
    has_label = y != UNLABELLED
    labelled = int(np.count_nonzero(has_label))
    if not labelled:
        return None
    times = math.ceil(SHARE / (1 - SHARE) * (len(y) - labelled) / labelled)
    if times < 2:
        return None
    often = np.where(has_label, times, 1)
    index = np.repeat(np.arange(len(y)), often)
    return Showing(index, (len(index) / len(y) / often).astype(np.float32))
