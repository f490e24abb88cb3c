"""One process of a small run: a worker where TF_CONFIG names a cluster, else two replicas.

python tests/worker.py OUT CHECKPOINTS [epochs] [epoch to stop at] [method]
"""

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from checks import rows, tiny, weights_of

import keras_ccl as ccl

TASKS = [ccl.Task(rows(45, seed=k), test=rows(20, seed=k)) for k in range(2)]


class Die(keras.callbacks.Callback):
    """Ends the process as a power cut would, at the begin of an epoch of task 2."""

    def __init__(self, epoch):
        super().__init__()
        self.at = [epoch]

    def on_epoch_begin(self, epoch, logs=None):
        if int(self.model.tasks_seen.numpy()) == 1 and epoch == self.at[0]:
            os._exit(9)


def main():
    out, checkpoints, *rest = sys.argv[1:]
    given = dict(zip(("epochs", "stop", "method"), rest, strict=False))
    epochs, stop = int(given.get("epochs", 3)), int(given.get("stop", -1))
    tf.config.experimental.enable_op_determinism()
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    else:
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
        strategy, index = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), 0
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = tiny(getattr(ccl, given.get("method", "CCLGM")))
    callbacks = [Die(stop)] if index == 1 else []
    history = model.fit_tasks(
        TASKS,
        epochs=epochs,
        batch_size=8,
        validation_split=0.2,
        checkpoint_dir=checkpoints,
        callbacks=callbacks,
        verbose=2,
    )
    with Path(out).open("wb") as file:
        np.savez(file, *weights_of(model), accuracy=history.accuracy)
    Path(f"{out}.json").write_text(history.to_json())


if __name__ == "__main__":
    main()
