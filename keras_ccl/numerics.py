"""A loss that is not finite ends a task, and costs no more than the epoch it came in."""

import math

import keras

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
