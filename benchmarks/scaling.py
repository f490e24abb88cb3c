"""One and two replicas in a process, one and two workers on this machine.

    python benchmarks/scaling.py [--quick]

Each trains the same two tasks of the embedded subset with the same global batch; tracing and the
first epoch of each task are left out. On one machine they all share the same cores: this measures
what replicas and workers cost, not what more machines bring. The last line is one JSON object:
images a second of each, and as a ratio to one replica.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from multi_worker import local_cluster

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, ROWS = 256, 5120
WORKERS = {"1 replica": 1, "2 replicas": 1, "1 worker": 1, "2 workers": 2}


def strategy_for(kind):
    import tensorflow as tf

    if "worker" in kind:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if kind == "1 replica":
        return tf.distribute.get_strategy()
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def measure(kind, epochs):
    """Images a second of the second task, from its second epoch on."""
    strategy = strategy_for(kind)

    import keras

    import keras_ccl as ccl

    class Clock(keras.callbacks.Callback):
        seconds = ()

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = (*self.seconds, time.perf_counter() - self.started)

    x, y = (part[:ROWS] for part in ccl.datasets.load("mnist").train)
    stream = ccl.streams.permuted(ccl.Task((x, y)), tasks=2, seed=0)
    with strategy.scope():
        model = ccl.CCLGM((28, 28, 1), 10, seed=0)
    clock = Clock()
    model.fit_tasks(stream, epochs=[1, epochs], batch_size=BATCH, callbacks=[clock], verbose=0)
    counted = sorted(clock.seconds[2:])
    print(json.dumps({"images_a_second": ROWS / counted[len(counted) // 2]}))


def run(kind, epochs):
    """Images a second as the first of its processes measured them."""
    command = [sys.executable, __file__, "--kind", kind, "--epochs", str(epochs)]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **({"TF_CONFIG": config} if "worker" in kind else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for config in local_cluster(WORKERS[kind])
    ]
    outputs = [process.communicate()[0] for process in processes]
    return json.loads(outputs[0].splitlines()[-1])["images_a_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round of 4 epochs")
    parser.add_argument("--kind", choices=WORKERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        measure(arguments.kind, arguments.epochs)
        return
    rounds, epochs = (1, 4) if arguments.quick else (arguments.rounds, arguments.epochs)
    rates = {kind: [] for kind in WORKERS}
    for _ in range(rounds):
        for kind in WORKERS:
            rates[kind].append(run(kind, epochs))
            print(f"{kind}: {rates[kind][-1]:.0f} images a second", flush=True)
    best = {kind: max(each) for kind, each in rates.items()}
    found = {
        "batch": BATCH,
        "images_a_second": {kind: round(rate) for kind, rate in best.items()},
        "to_1_replica": {k: round(rate / best["1 replica"], 3) for k, rate in best.items()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
