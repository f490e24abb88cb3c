"""Several processes learn permuted MNIST together, each on its share of every batch.

    python examples/multi_worker.py                             # two workers on this machine
    python examples/multi_worker.py --workers 4 --out out/four

Workers on one machine share its cores, so this is slower than one process: it shows how it is done,
and prints what to start on several machines. The first worker writes model.keras and history.json;
with --checkpoint-dir in a folder that all workers see, the same command resumes after a failure.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import running
import tensorflow as tf

import keras_ccl as ccl


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = running.Parser(
        prog="multi_worker.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    count = running.whole_number(1)
    parser.add_argument("--workers", type=count, default=2, help="on this machine")
    parser.add_argument("--tasks", type=count, default=2)
    parser.add_argument("--epochs", type=count, default=2, help="epochs per task")
    parser.add_argument("--batch-size", type=count, default=256, help="of all workers together")
    parser.add_argument("--seed", type=running.seed_number, default=0)
    parser.add_argument("--checkpoint-dir", type=running.folder)
    parser.add_argument("--out", type=running.folder, default=Path("out") / "multi_worker")
    return parser.parse_args(argv)


def work(arguments: argparse.Namespace) -> None:
    """Learn as one worker: the same lines run on every machine."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before any tensor is made
    mnist = ccl.datasets.load("mnist")
    stream = ccl.streams.permuted(mnist, tasks=arguments.tasks, seed=arguments.seed)
    with strategy.scope():
        model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=arguments.seed)
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


def local_cluster(workers: int) -> list[str]:
    """The TF_CONFIG of each worker, JSON, of a cluster on free ports of this machine."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    tasks = [{"type": "worker", "index": index} for index in range(workers)]
    return [json.dumps({"cluster": {"worker": addresses}, "task": task}) for task in tasks]


def start_all(arguments: argparse.Namespace) -> int:
    """Start the workers on this machine and wait: the first exit code that is not 0, or 0."""
    workers = []
    for index, config in enumerate(local_cluster(arguments.workers)):
        print(f"worker {index}: TF_CONFIG='{config}'")
        environment = {**os.environ, "TF_CONFIG": config}
        workers.append(subprocess.Popen([sys.executable, *sys.argv], env=environment))
    print(
        "On several machines: start this script on each with its own TF_CONFIG, the addresses "
        "being host:port of each machine, the same list in the same order.",
        flush=True,
    )
    try:
        codes = [worker.wait() for worker in workers]
    finally:
        for worker in workers:
            worker.terminate()
    return next((code for code in codes if code), 0)


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    if "TF_CONFIG" in os.environ:
        work(arguments)
    else:
        sys.exit(start_all(arguments))


if __name__ == "__main__":
    main()
