"""One row of R: the model on the test rows of every task seen."""

import math
from collections.abc import Sequence

from keras_ccl.data.ready_tasks import CheckedTask
from keras_ccl.data.splits import MEASURING_BATCH, Split
from keras_ccl.training.protocol import ContinualModel


def evaluate_tasks(
    model: ContinualModel, tasks: Sequence[CheckedTask]
) -> tuple[list[float], list[float]]:
    """Accuracy and negative ELBO of each task.

    Args:
        model: the student.
        tasks: those seen so far.

    Returns:
        Accuracies in [0, 1], and negative ELBOs in nats per row; NaN for a task without test rows,
        and negative ELBOs of a model that has none.
    """
    results = [measure_split(model, task.test_split(model.data_spec)) for task in tasks]
    return [accuracy for accuracy, _ in results], [nats for _, nats in results]


def measure_split(model: ContinualModel, split: Split | None) -> tuple[float, float]:
    """Accuracy and negative ELBO on the test rows of one task, as `evaluate_tasks` tells them."""
    if split is None:
        return math.nan, math.nan
    found = model.evaluate(split, batch_size=MEASURING_BATCH, verbose=0, return_dict=True)
    return found["accuracy"], found.get("negative_elbo", math.nan)
