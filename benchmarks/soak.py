"""Many tasks in a row: does time, memory or anything else grow with their number?

    python benchmarks/soak.py [--tasks 100] [--quick]

Each task is a permutation of 2,000 rows of the embedded subset. The last line is one JSON object:
resident memory and seconds an epoch by task, and their ratios to task 10. Memory may grow by what R
holds; an epoch must cost the same after any number of tasks.
"""

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import keras_ccl as ccl

FIRST = 10


def resident_megabytes():
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 2**20


class Watch(keras.callbacks.Callback):
    """Resident memory and median seconds of a step, task by task."""

    def __init__(self):
        super().__init__()
        self.megabytes, self.step_seconds, self.steps = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(time.perf_counter() - self.started)

    def on_train_end(self, logs=None):
        gc.collect()
        self.megabytes.append(round(resident_megabytes(), 1))
        self.step_seconds.append(round(float(np.median(self.steps)), 5))
        self.steps = []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--quick", action="store_true", help="20 tasks")
    arguments = parser.parse_args()
    tasks = 20 if arguments.quick else arguments.tasks
    data = ccl.datasets.load("mnist")
    parts = [
        tuple(a[:n] for a in part) for part, n in ((data.train, arguments.rows), (data.test, 200))
    ]
    stream = ccl.streams.permuted(ccl.Task(parts[0], test=parts[1]), tasks=tasks, seed=0)
    model, watch = ccl.CCLGM((28, 28, 1), 10, seed=0), Watch()
    with tempfile.TemporaryDirectory() as folder:
        history = model.fit_tasks(
            stream, epochs=2, callbacks=[watch], verbose=2, checkpoint_dir=folder
        )
        left = sorted(path.name for path in Path(folder).iterdir())
    print(f"average accuracy {history.average_accuracy[-1]:.4f} over {tasks} tasks")
    # Task 1 has no replay and task 2 traces it: what grows, grows after those.
    found = {
        "tasks": tasks,
        "rows_of_r": len(history),
        "finite": bool(np.isfinite([e["loss"] for e in history.epochs]).all()),
        "files_left": left,
        "megabytes": watch.megabytes,
        "memory_ratio": round(watch.megabytes[-1] / watch.megabytes[FIRST - 1], 3),
        "step_seconds": watch.step_seconds,
        "step_ratio": round(
            float(np.median(watch.step_seconds[-5:]) / np.median(watch.step_seconds[5:FIRST])), 3
        ),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
