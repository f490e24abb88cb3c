"""Accuracy against seconds of training, beside Avalanche: the same rows, layer sizes and cores.

    pip install -e ".[peers]"
    python benchmarks/peers.py [--threads 1] [--streams permuted split] [--out DIR] [--quick]

Five tasks of the embedded subset of MNIST are learnt at several numbers of epochs per task by

    CCLGM                ours with its defaults, up to its default number of epochs
    naive, EWC           Avalanche's, a classifier of 2x400
    generative replay    Avalanche's: the same classifier, and its VAE with 40 latent dimensions
    increasing replay    the same, with more generated rows in each task (`increasing_replay_size`)

Every run begins anew and keeps to as many cores as it has threads. What counts is the time of our
`fit_tasks`, with its tracing, and of Avalanche's `train`, with its generator and its Fisher
information; imports, reading data, making models and evaluation do not. Accuracy is the mean over
the test rows of all tasks at the end. An accuracy is reached by the fastest run that has at least
as much; nothing is interpolated. On one thread of a busy machine CPU time is the steadier clock.

`figure.png` goes to --out. The last line is one JSON object: all runs; beside each peer the seconds
of both to every accuracy that it reaches, and their ratio; and by how many percentage points our
longest run is above its best.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

try:  # before TensorFlow: PyTorch's Triton crashes the process when it is loaded after it
    from avalanche_peers import learners
except ModuleNotFoundError as error:
    sys.exit(f'peers.py: {error.name} is missing: pip install -e ".[peers]"')

import command_line
import numpy as np
import tensorflow as tf
from accuracy_curves import Curves, Run, compared, draw, in_words, table
from timing import seconds_of

import keras_ccl as ccl
from keras_ccl.data.sources import resolve
from keras_ccl.data.transformations import Arrays

OURS = "CCLGM"
EPOCHS = {
    "permuted": {
        OURS: (1, 2, 4, 8, 12, 20, 68),
        "naive": (1, 3, 10),
        "EWC": (1, 3, 10),
        "generative replay": (3, 10),
        "increasing replay": (3, 10, 25),
    },
    "split": {
        OURS: (1, 2, 5, 15, 40, 127),
        "naive": (3, 10),
        "EWC": (3, 10),
        "generative replay": (5, 15, 60),
        "increasing replay": (5, 15, 60),
    },
}
"""Epochs per task, fewest first. Ours end with what `fit_tasks` chooses for these rows, and lie
close together: the time to an accuracy is that of the first run which has it."""


class Learner(Protocol):
    """A model that is ready to learn its tasks."""

    def train(self) -> None:
        """Learn them all: what is timed."""

    def classes(self, x: np.ndarray) -> np.ndarray:
        """The class of each row, `[N]`."""


Maker = Callable[[list[Arrays], int, int], Learner]
"""Makes a learner of the training rows of each task, epochs, and a seed."""


class Ours:
    """`CCLGM` with its defaults.

    Args:
        rows: x and y of each task.
        epochs: per task.
        seed: of weights and noise.
    """

    def __init__(self, rows: list[Arrays], epochs: int, seed: int) -> None:
        self.model = ccl.CCLGM((28, 28, 1), 10, seed=seed)
        self.rows, self.epochs = rows, epochs

    def train(self) -> None:
        self.model.fit_tasks(self.rows, epochs=self.epochs, verbose=0)

    def classes(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict(x, verbose=0).argmax(-1)


def keep_to(threads: int) -> None:
    """Bind this process to so many cores, and TensorFlow to so many threads."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def stream_of(name: str, tasks: int) -> ccl.TaskStream:
    """The tasks of a stream, without the seed of the run: the rows are the same in all runs."""
    data = ccl.datasets.load("mnist")
    if name == "permuted":
        return ccl.streams.permuted(data, tasks=tasks)
    return ccl.streams.split(data)[:tasks]


def measure(make: Maker, stream: ccl.TaskStream, epochs: int, seed: int) -> Run:
    """Learn a stream, and measure afterwards."""
    learner = make([resolve(task.train) for task in stream], epochs, seed)
    cpu_before = time.process_time()
    seconds = seconds_of(learner.train)
    cpu = time.process_time() - cpu_before
    measured = [resolve(task.test) for task in stream]
    accuracy = float(np.mean([np.mean(learner.classes(x) == y) for x, y in measured]))
    return {
        "epochs": epochs,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "accuracy": round(accuracy, 4),
    }


def curves_on(
    name: str, stream: ccl.TaskStream, makers: dict[str, Maker], *, runs: int | None, seed: int
) -> Curves:
    """The runs of all contenders on a stream, each printed when it is done."""
    curves = {}
    for contender, budgets in EPOCHS[name].items():
        curves[contender] = []
        for epochs in budgets[:runs]:
            curves[contender].append(measure(makers[contender], stream, epochs, seed))
            print(f"{name}, {contender}: {curves[contender][-1]}", flush=True)
    return curves


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    positive = command_line.positive
    parser.add_argument("--streams", choices=EPOCHS, nargs="+", default=list(EPOCHS))
    parser.add_argument("--tasks", type=positive, choices=range(1, 6), default=5)
    parser.add_argument("--runs", type=positive, help="of each contender: those of fewest epochs")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out") / "peers", help="a folder")
    arguments = command_line.parse(parser, argv, streams=["split"], tasks=2, runs=2)
    cores = len(os.sched_getaffinity(0))
    if arguments.threads > cores:
        parser.error(
            f"--threads: expected at most {cores}, the cores, received {arguments.threads}"
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    keep_to(arguments.threads)
    makers = {OURS: Ours, **learners(arguments.threads)}
    curves, against = {}, {}
    for name in arguments.streams:
        stream = stream_of(name, arguments.tasks)
        curves[name] = curves_on(name, stream, makers, runs=arguments.runs, seed=arguments.seed)
        ours, *peers = curves[name]
        against[name] = {p: compared(curves[name][ours], curves[name][p]) for p in peers}
        print(table(name, curves[name]))
        for peer, found in against[name].items():
            print(in_words(name, peer, found))
    title = f"average accuracy after {arguments.tasks} tasks of a subset, seed {arguments.seed}"
    draw(curves, arguments.out / "figure.png", broad=OURS, title=title)
    settings = {key: getattr(arguments, key) for key in ("threads", "tasks", "seed")}
    print(json.dumps({**settings, "runs": curves, "beside": against}))


if __name__ == "__main__":
    main()
