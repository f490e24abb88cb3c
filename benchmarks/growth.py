"""Does a step cost more after many tasks? 50 small tasks with balanced replay.

    python benchmarks/growth.py [--tasks 50] [--quick]

Each task is a permutation of 2,000 rows of the embedded subset, 3 epochs. The last line is one JSON
object: the median step of each task, resident memory after it, and in which task the training step
was traced. A shared machine changes its speed within minutes, so the bare matrix products of a step
are timed before each epoch, and a step is told as a ratio to those of its task; the last task's is
the median of the last five against that of tasks 2 to 6, the first with replay.
"""

import json
from typing import Any

import command_line
import numpy as np
from matrix_products import floor
from timing import Watch, seconds_of

import keras_ccl as ccl


class WatchBesideProducts(Watch):
    """Also notes, for each task, the seconds that the bare matrix products of a step take."""

    def __init__(self, repeats: int = 10):
        super().__init__()
        self.repeats, self.products = repeats, floor(400)
        self.products(repeats)  # traces
        self.product_seconds = []
        self._timed = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._timed.append(seconds_of(lambda: self.products(self.repeats)) / self.repeats)
        super().on_epoch_begin(epoch, logs)

    def on_train_end(self, logs: dict | None = None) -> None:
        super().on_train_end(logs)
        self.product_seconds.append(float(np.median(self._timed)))
        self._timed = []


class Traced(ccl.CCLGM):
    """Notes after how many tasks its training step is traced."""

    traces = ()

    def train_step(self, data: Any) -> dict:
        type(self).traces = (*self.traces, int(self.tasks_seen_before))
        return super().train_step(data)

    def begin_task(self, task: Any) -> None:
        type(self).tasks_seen_before = int(self.tasks_seen.numpy())
        super().begin_task(task)


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--tasks", type=command_line.positive, default=50)
    tasks = command_line.parse(parser, argv, tasks=12).tasks
    if tasks < 6:
        parser.error(f"--tasks: expected at least 6, received {tasks}")
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
