"""A loss that is not finite, or data that fail, end a task and cost no more than the epoch."""

import contextlib
import math

import keras
import tensorflow as tf

from keras_ccl.batches import told
from keras_ccl.distribution import LOST
from keras_ccl.states import everything, put_back


class FiniteLoss(keras.callbacks.Callback):
    """Stops at the first step whose loss is NaN or infinite, with the model of the last good epoch.

    Args:
        task: its number, for the error.
    """

    def __init__(self, task):
        super().__init__()
        self.task = task
        self.epoch = 0
        self._good = None

    @contextlib.contextmanager
    def watching(self, model):
        """Where a dataset, or an operation of a step, fails: back to the last good epoch.

        Raises:
            RuntimeError: naming task and epoch, with what TensorFlow told.
        """
        try:
            yield
        except LOST:
            raise  # a worker: `distribution.one_fate` tells
        except tf.errors.OpError as error:
            if self._good is not None:
                put_back(model, self._good)
            raise RuntimeError(
                f"task {self.task}, epoch {self.epoch}: the dataset or a step failed: "
                f"{told(error)}. The model is that of the end of the epoch before"
            ) from error

    def on_train_begin(self, logs=None):
        self._good = everything(self.model)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_epoch_end(self, epoch, logs=None):
        self._good = everything(self.model)

    def on_train_end(self, logs=None):
        self._good = None

    def on_train_batch_end(self, batch, logs=None):
        """Raises FloatingPointError, naming task, epoch, step and the terms that went bad."""
        if math.isfinite(logs["loss"]):
            return
        bad = [name for name in self.model.term_weights() if not math.isfinite(logs[name])]
        put_back(self.model, self._good)
        raise FloatingPointError(
            f"task {self.task}, epoch {self.epoch}, step {batch + 1}: the loss is {logs['loss']}; "
            f"not finite: {', '.join(bad) or 'their weighted sum'}. The model is that of the end "
            "of the epoch before; a smaller learning rate may help"
        )
