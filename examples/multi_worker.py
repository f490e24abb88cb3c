"""Several processes learn permuted MNIST together, each on its share of every batch.

    python examples/multi_worker.py                      # two workers on this machine
    python examples/multi_worker.py --workers 4 --out out/four

Workers on one machine share its cores, so this is slower than one process: it shows how it is done,
and prints what to start on several machines. The first worker writes model.keras and history.json;
with --checkpoint-dir on a folder that all of them see, the same command goes on after a failure.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tasks", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=256, help="of all workers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-dir", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out") / "multi_worker")
    return parser.parse_args()


def work(arguments):
    """One worker: the same lines on every machine."""
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else of TensorFlow

    import keras_ccl as ccl

    stream = ccl.streams.permuted(
        ccl.datasets.load("mnist"), tasks=arguments.tasks, seed=arguments.seed
    )
    with strategy.scope():
        model = ccl.CCLGM((28, 28, 1), 10, seed=arguments.seed)
    history = model.fit_tasks(
        stream,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        checkpoint_dir=arguments.checkpoint_dir,
        verbose=2,
    )
    if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
        print(history.table())
        arguments.out.mkdir(parents=True, exist_ok=True)
        history.to_json(arguments.out / "history.json")
        model.save(arguments.out / "model.keras")
        print(f"history and model are in {arguments.out}")


def local_cluster(workers):
    """The TF_CONFIG of each worker of a cluster on free ports of this machine, a list of JSON."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    tasks = [{"type": "worker", "index": index} for index in range(workers)]
    return [json.dumps({"cluster": {"worker": addresses}, "task": task}) for task in tasks]


def start_all(arguments):
    """Start the workers on this machine, and end with the first exit code that is not 0."""
    running = []
    for index, config in enumerate(local_cluster(arguments.workers)):
        print(f"worker {index}: TF_CONFIG='{config}'")
        environment = {**os.environ, "TF_CONFIG": config}
        running.append(subprocess.Popen([sys.executable, *sys.argv], env=environment))
    print(
        "On several machines: start this script on each with its own TF_CONFIG, the addresses "
        "being host:port of each machine, the same list in the same order.",
        flush=True,
    )
    try:
        codes = [worker.wait() for worker in running]
    finally:
        for worker in running:
            worker.terminate()
    sys.exit(next((code for code in codes if code), 0))


if __name__ == "__main__":
    given = parse()
    if "TF_CONFIG" in os.environ:
        work(given)
    else:
        start_all(given)
