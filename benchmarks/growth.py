"""Does a step cost more after many tasks? 50 small tasks with balanced replay.

    python benchmarks/growth.py [--tasks 50] [--quick]

Each task is a permutation of 2,000 rows of the embedded subset, 3 epochs. The last line is one JSON
object: the median step of each task, resident memory after it, and in which task the training step
was traced. A shared machine changes its speed within minutes, so the bare matrix products of a step
are timed before each epoch, and a step is told as a ratio to those of its task; the last task's is
the median of the last five against that of tasks 2 to 6, the first with replay.
"""

import argparse
import json
import time

import numpy as np
from soak import Watch
from step import floor

import keras_ccl as ccl


class WatchBesideProducts(Watch):
    """Notes for each task, too, the seconds that the bare matrix products of a step take."""

    def __init__(self, repeats=10):
        super().__init__()
        self.repeats, self.products = repeats, floor(400)
        self.products(repeats)  # traces
        self.timed, self.product_seconds = [], []

    def on_epoch_begin(self, epoch, logs=None):
        started = time.perf_counter()
        self.products(self.repeats)
        self.timed.append((time.perf_counter() - started) / self.repeats)

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        self.product_seconds.append(float(np.median(self.timed)))
        self.timed = []


class Traced(ccl.CCLGM):
    """Notes after how many tasks its training step is traced."""

    traces = ()

    def train_step(self, data):
        type(self).traces = (*self.traces, int(self.tasks_seen_before))
        return super().train_step(data)

    def begin_task(self, task):
        type(self).tasks_seen_before = int(self.tasks_seen.numpy())
        super().begin_task(task)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="12 tasks")
    arguments = parser.parse_args()
    tasks = 12 if arguments.quick else arguments.tasks
    data = ccl.datasets.load("mnist")
    rows = ccl.Task(tuple(a[:2000] for a in data.train), test=tuple(a[:100] for a in data.test))
    model, watch = Traced((28, 28, 1), 10, seed=0), WatchBesideProducts()
    stream = ccl.streams.permuted(rows, tasks=tasks, seed=0)
    model.fit_tasks(stream, epochs=3, callbacks=[watch], verbose=2)
    step, memory = np.array(watch.step_seconds), watch.megabytes
    to_products = step / watch.product_seconds
    first, last = np.median(to_products[1:6]), np.median(to_products[-5:])
    found = {
        "tasks": tasks,
        "step_milliseconds": np.round(1e3 * step, 2).tolist(),
        "step_to_products": np.round(to_products, 3).tolist(),
        "megabytes": memory,
        "traced_in_task": [seen + 1 for seen in model.traces],
        "step_last_to_2": round(float(last / first), 3),
        "memory_last_to_5": round(memory[-1] / memory[4], 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
