"""One process of a small run: a worker where TF_CONFIG names a cluster, else two replicas.

python tests/worker.py OUT CHECKPOINTS [--epochs N] [--stop EPOCH] [--method CLASS]
"""

import argparse
import json
import os
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


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("checkpoints")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--stop", type=int, help="epoch of task 2 at which worker 1 dies")
    parser.add_argument("--method", default="CCLGM", help="a class of keras_ccl")
    return parser.parse_args()


def main():
    arguments = parse()
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
        model = tiny(getattr(ccl, arguments.method))
    callbacks = [Die(arguments.stop)] if index == 1 else []
    history = model.fit_tasks(
        TASKS,
        epochs=arguments.epochs,
        batch_size=8,
        validation_split=0.2,
        checkpoint_dir=arguments.checkpoints,
        callbacks=callbacks,
        verbose=2,
    )
    with arguments.out.open("wb") as file:
        np.savez(file, *weights_of(model), accuracy=history.accuracy)
    Path(f"{arguments.out}.json").write_text(history.to_json())


if __name__ == "__main__":
    main()
