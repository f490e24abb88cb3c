"""A small run that tests stop, and resume from its checkpoints."""

import itertools
import signal

import keras
from checks import rows

import keras_ccl as ccl

TASKS = [ccl.Task(rows(60, seed=k), test=rows(20, seed=k)) for k in range(2)]
TASKS.append(ccl.Task((TASKS[0].train[0], TASKS[0].train[1] % 2), test=rows(20)))  # two classes
OPTIONS = {"epochs": 2, "batch_size": 24, "verbose": 0, "validation_split": 0.2}
"""48 rows of a task are 2 steps an epoch, 4 a task."""


def finish(model, folder, callbacks=(), tasks=TASKS, **options):
    """Run to the end, from the newest checkpoint where there is one."""
    return model.fit_tasks(
        tasks, checkpoint_dir=folder, callbacks=list(callbacks), **{**OPTIONS, **options}
    )


class Stop(keras.callbacks.Callback):
    """Raises after so many epochs of the whole stream, as Ctrl-C would."""

    def __init__(self, after):
        super().__init__()
        self.counted = itertools.count()  # no part of a checkpoint, as a number would be
        self.after = after

    def on_epoch_begin(self, epoch, logs=None):
        if next(self.counted) == self.after:
            raise KeyboardInterrupt


class Signal(keras.callbacks.Callback):
    """Sends this process a signal after so many steps of the whole stream."""

    def __init__(self, after, number=signal.SIGINT):
        super().__init__()
        self.counted = itertools.count(1)
        self.after, self.number = after, number

    def on_train_batch_end(self, batch, logs=None):
        if next(self.counted) == self.after:
            signal.raise_signal(self.number)
