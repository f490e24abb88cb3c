"""A task as its model needs it: every split checked, validation rows held out."""

from dataclasses import replace

from keras_ccl.data.splits import as_split
from keras_ccl.data.streams import Transformed
from keras_ccl.data.validation import check_rows


def prepare(
    task, number, spec, *, batch_size, steps_per_epoch=None, validation_split=0.0, reached=False
):
    """Check the splits of a task and turn them into `ArraySplit`s and `DatasetSplit`s.

    Args:
        task: a `Task`; number: its number, for errors; spec: a `DataSpec`.
        batch_size, steps_per_epoch, validation_split: as in `fit_tasks`.
        reached: whether to call a train or validation split that is a function; before that it
            stays one. A test split that is a function is called by each measurement.

    Returns:
        a `Task`; preparing it again changes nothing but what was still a function.

    Raises:
        TypeError, ValueError: naming the task, what was expected and what came.
    """

    def checked(data, kind, *, wait, steps=None):
        where = f"task {number}, {kind}"
        if isinstance(data, Transformed) and not reached:
            check_rows(*data.rows, spec, where)  # what they are made of can be checked now
        if data is None or (callable(data) and wait):
            return data
        return as_split(data, spec, where, batch_size=batch_size, steps=steps)

    train = checked(task.train, "train", wait=not reached, steps=steps_per_epoch)
    validation = checked(task.validation, "validation", wait=not reached)
    test = checked(task.test, "test", wait=True)
    if validation is None and validation_split and not callable(train):
        train, validation = train.hold_out(validation_split)
    return replace(task, train=train, validation=validation, test=test)
