"""One row of R: the model on the test rows of every task seen."""

import math
from collections.abc import Sequence

from keras_ccl.data.ready_tasks import CheckedTask
from keras_ccl.data.splits import MEASURING_BATCH
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
    results = [_measure(model, task) for task in tasks]
    return [r["accuracy"] for r in results], [r.get("negative_elbo", math.nan) for r in results]


def _measure(model: ContinualModel, task: CheckedTask) -> dict[str, float]:
    split = task.test_split(model.data_spec)
    if split is None:
        return {"accuracy": math.nan, "negative_elbo": math.nan}
    return model.evaluate(split, batch_size=MEASURING_BATCH, verbose=0, return_dict=True)
