"""Budgets: epochs and batch size that fit the rows of a task, where a call names none."""

import math
from typing import NamedTuple

from keras_ccl.data.splits import Split
from keras_ccl.data.validation import check_positive

STEPS = 2820
"""Steps per task where rows are many: 12 epochs of 60,000 rows, or 60 of 12,000."""

SHARE_OF_FEATURES = 0.3
"""Of the steps, where networks see the features of a backbone: they learn those sooner."""

FEWEST_EPOCHS = 12
"""However many rows there are."""

FEWEST_STEPS = 1500
"""Steps per task where rows are few."""

ROWS_OF_ALL_STEPS = 12_000
"""From so many rows on a task gets all the steps."""

BATCHES = (16, 256)
"""The smallest and the largest batch chosen."""


class Budget(NamedTuple):
    """What is spent on a task."""

    epochs: int
    batch_size: int


def batch_size_for(rows: int) -> int:
    """Rows per batch: the power of 2 that is nearest to a sixteenth of the rows, within limits."""
    least, most = BATCHES
    return min(max(2 ** round(math.log2(rows / 16)), least), most)


def steps_for(rows: int, *, of_features: bool = False) -> int:
    """Steps that a task of so many rows is given: more where rows are many, by a square root."""
    share = math.sqrt(min(rows / ROWS_OF_ALL_STEPS, 1.0))
    steps = FEWEST_STEPS + (STEPS - FEWEST_STEPS) * share
    return round(steps * (SHARE_OF_FEATURES if of_features else 1.0))


def epochs_for(rows: int, steps_per_epoch: int, *, of_features: bool = False) -> int:
    """Epochs that make about as many steps as `steps_for` says, or `FEWEST_EPOCHS`."""
    steps = steps_for(rows, of_features=of_features)
    return max(FEWEST_EPOCHS, round(steps / steps_per_epoch))


def budget_for(
    rows: Split,
    *,
    epochs: int | None,
    batch_size: int | None,
    of_features: bool,
    steps_per_epoch: int | None = None,
) -> Budget:
    """What is spent on the rows of a task: as named, else as they ask for.

    Args:
        rows: to learn from.
        epochs: named, or None.
        batch_size: likewise.
        of_features: whether networks see the features of a backbone.
        steps_per_epoch: of the batches that there are; None: all.
    """
    size = batch_size or rows.own_batch or batch_size_for(rows.rows)
    steps = steps_per_epoch or rows.steps(size)
    return Budget(epochs or epochs_for(rows.rows, steps, of_features=of_features), size)


def check_epochs(epochs: int, *, one_pass: bool) -> None:
    """Refuse a number of epochs that is none, or more than a model that learns in one pass takes.

    Raises:
        ValueError: telling what was expected.
    """
    check_positive("epochs", epochs, integer=True)
    if one_pass and epochs > 1:
        raise ValueError(f"epochs: expected 1 or None of a head in closed form, received {epochs}")
