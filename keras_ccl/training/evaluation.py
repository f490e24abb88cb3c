"""One row of R: the model on the test rows of every task seen."""

import math

from keras_ccl.data.splits import MEASURING_BATCH, as_split


def evaluate_tasks(model, tasks, *, first_task=1):
    """Accuracy and negative ELBO of each task.

    Args:
        model: a `JointVAE`; tasks: those seen so far, each with a `test` split or None.
        first_task: number of the first of them, for errors.

    Returns:
        two lists of floats, accuracy in [0, 1] and negative ELBO in nats a row; NaN for a task
        without test rows.
    """
    results = [measure(model, task, number) for number, task in enumerate(tasks, first_task)]
    return [r["accuracy"] for r in results], [r["negative_elbo"] for r in results]


def measure(model, task, number):
    """`model.evaluate` on the test rows of one task, as a dict; NaN if it has none."""
    if task.test is None:
        return {"accuracy": math.nan, "negative_elbo": math.nan}
    where = f"task {number}, test"
    split = as_split(task.test, model.data_spec, where, batch_size=MEASURING_BATCH)
    return model.evaluate(split.batches(MEASURING_BATCH), verbose=0, return_dict=True)
