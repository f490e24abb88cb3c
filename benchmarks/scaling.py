"""One and two replicas in a process, one and two workers on this machine.

    python benchmarks/scaling.py [--quick]

Each trains the same two tasks of the embedded subset with the same global batch; tracing and the
first epoch of each task are left out. On one machine they all share the same cores: this measures
what replicas and workers cost, not what more machines bring. The last line is one JSON object:
images per second of each, and as a ratio to one replica.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import command_line
import numpy as np
import tensorflow as tf
from multi_worker import local_cluster
from timing import Watch

import keras_ccl as ccl

BATCH, ROWS = 256, 5120
WORKERS = {"1 replica": 1, "2 replicas": 1, "1 worker": 1, "2 workers": 2}


def strategy_for(kind: str) -> tf.distribute.Strategy:
    """The strategy, made before any tensor is."""
    if "worker" in kind:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if kind == "1 replica":
        return tf.distribute.get_strategy()
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def measure(kind: str, epochs: int) -> None:
    """Print the images per second of the second task, from its second epoch on."""
    strategy, watch = strategy_for(kind), Watch()
    x, y = (part[:ROWS] for part in ccl.datasets.load("mnist").train)
    stream = ccl.streams.permuted(ccl.Task((x, y)), tasks=2, seed=0)
    with strategy.scope():
        model = ccl.CCLGM((28, 28, 1), 10, seed=0)
    model.fit_tasks(stream, epochs=[1, epochs], batch_size=BATCH, callbacks=[watch], verbose=0)
    # One epoch of task 1, and the one of task 2 that traces the step.
    print(json.dumps({"images_a_second": ROWS / float(np.median(watch.epoch_seconds[2:]))}))


def run(kind: str, epochs: int) -> float:
    """Images per second as the first of its processes measured them."""
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
    if any(process.returncode for process in processes):
        sys.exit(f"scaling.py: {kind}: a process failed: {' '.join(command)}")
    return json.loads(outputs[0].splitlines()[-1])["images_a_second"]


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--epochs", type=command_line.positive, default=12, help="at least 2")
    parser.add_argument("--rounds", type=command_line.positive, default=2)
    parser.add_argument("--kind", choices=WORKERS, help=argparse.SUPPRESS)
    arguments = command_line.parse(parser, argv, rounds=1, epochs=4)
    if arguments.epochs < 2:
        parser.error(f"--epochs: expected at least 2, received {arguments.epochs}")
    if arguments.kind:
        measure(arguments.kind, arguments.epochs)
        return
    rates = {kind: [] for kind in WORKERS}
    for _ in range(arguments.rounds):
        for kind in WORKERS:
            rates[kind].append(run(kind, arguments.epochs))
            print(f"{kind}: {rates[kind][-1]:.0f} images per second", flush=True)
    best = {kind: max(each) for kind, each in rates.items()}
    found = {
        "batch": BATCH,
        "images_a_second": {kind: round(rate) for kind, rate in best.items()},
        "to_1_replica": {k: round(rate / best["1 replica"], 3) for k, rate in best.items()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
