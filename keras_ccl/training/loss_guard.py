"""A loss that is not finite, or data that fail, end a task and cost no more than the epoch."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_ccl.checkpointing.state import capture_state, restore_state
from keras_ccl.data.dataset_split import DatasetSplit
from keras_ccl.data.entry_check import message_of
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.training.replicas import WORKER_LOST


class LossGuard(keras.callbacks.Callback):
    """Stops at the first step whose loss is NaN or infinite, with the model of the last good epoch.

    Args:
        task: under way.
    """

    def __init__(self, task: ReadyTask) -> None:
        super().__init__()
        self.task = task.number
        self._splits = [s for s in (task.train, task.validation) if isinstance(s, DatasetSplit)]
        self.epoch = self.step = 0
        self._good: dict[str, Any] | None = None

    @contextlib.contextmanager
    def watching(self, model: keras.Model) -> Iterator[None]:
        """A context in which a failing dataset or step brings back the last good epoch.

        Raises:
            ValueError: for rows that do not fit, naming task, epoch and step.
            RuntimeError: for what else fails, naming task and epoch, with what TensorFlow told.
        """
        try:
            yield
        except WORKER_LOST:
            raise  # a worker: `replicas.lost_worker_named` tells
        except tf.errors.OpError as error:
            self._restore(model)
            for split in self._splits:
                if split.entry_check.refused is not None:
                    raise ValueError(self._located(split)) from error
            raise RuntimeError(
                f"task {self.task}, epoch {self.epoch}: the dataset or a step failed: "
                f"{message_of(error)}. The model is that of the end of the epoch before"
            ) from error

    def on_train_begin(self, logs: Any = None) -> None:
        self._good = capture_state(self.model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch + 1

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.step = batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._good = capture_state(self.model)

    def on_train_end(self, logs: Any = None) -> None:
        self._good = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Raises FloatingPointError, naming task, epoch, step and the terms that went bad."""
        if math.isfinite(logs["loss"]):
            return
        bad = [name for name in self.model.term_weights() if not math.isfinite(logs[name])]
        self._restore(self.model)
        raise FloatingPointError(
            f"task {self.task}, epoch {self.epoch}, step {batch + 1}: the loss is {logs['loss']}; "
            f"not finite: {', '.join(bad) or 'their weighted sum'}. The model is that of the end "
            "of the epoch before; a smaller learning rate may help"
        )

    def _located(self, split: DatasetSplit) -> str:
        """What is wrong with rows of a split, and when they came."""
        told = str(split.entry_check.refused).removeprefix(f"{split.where}: ")
        return (
            f"{split.where}, epoch {self.epoch}, step {self.step}: {told}. The model is that of "
            "the end of the epoch before"
        )

    def _restore(self, model: keras.Model) -> None:
        if self._good is not None:
            restore_state(model, self._good)
