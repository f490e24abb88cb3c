"""How far does a long stream drift? Accuracy task by task, and what is still generated.

    python benchmarks/long_streams.py permuted --tasks 20 [--data-dir DIR] [--quick]
    python benchmarks/long_streams.py twenty-classes [--data-dir DIR] [--quick]

`twenty-classes` are the digits and then the clothes of Fashion-MNIST, two classes a task, one head.
Embedded subsets, or all of the data from a TFDS folder. After each task 2,000 rows are generated
and counted for the task that has the class whose test images have the nearest mean; training never
sees these.
The last line is one JSON object: the average accuracy after each task, that of each task at the
end, and the smallest share that any task has of generated rows, 1 where it has its due.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import command_line
import keras
import numpy as np

import keras_ccl as ccl

GENERATED = 2000


def make_stream(arguments: Any) -> tuple[ccl.TaskStream, int]:
    """The stream, and its number of classes."""
    source = {"source": "tfds", "data_dir": arguments.data_dir} if arguments.data_dir else {}
    mnist = ccl.datasets.load("mnist", **source)
    if arguments.stream == "permuted":
        return ccl.streams.permuted(mnist, tasks=arguments.tasks, seed=arguments.seed), 10
    fashion = ccl.datasets.load("fashion_mnist", **source)
    second = {name: (x, y + 10) for name in ("train", "test") for x, y in [getattr(fashion, name)]}
    clothes = dataclasses.replace(fashion, **second)
    tasks = [*ccl.streams.split(mnist), *ccl.streams.split(clothes)]
    return ccl.TaskStream(tasks[: arguments.tasks]), 20


class Generated(keras.callbacks.Callback):
    """Counts the generated rows that look like each task, after each task."""

    def __init__(self, stream: ccl.TaskStream) -> None:
        super().__init__()
        self.means = [class_means(*task.test()) for task in stream]
        self.counts: list[list[int]] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Count when the next task begins: only then has the last one ended."""
        if int(self.model.tasks_seen.numpy()) > len(self.counts):
            self.count(self.model)

    def count(self, model: ccl.CCLGM) -> None:
        """Count rows of each task met so far."""
        met = self.means[: len(self.counts) + 1]
        x, _ = model.generate(GENERATED, seed=0)
        x = x.reshape(len(x), -1)
        nearest = [np.min([np.square(x - mean).sum(1) for mean in of_task], 0) for of_task in met]
        counts = np.bincount(np.argmin(nearest, 0), minlength=len(met))
        self.counts.append(counts.tolist())


def class_means(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """The mean of the rows of each class, flat."""
    return [x[y == k].mean(0).ravel() for k in np.unique(y)]


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("stream", choices=("permuted", "twenty-classes"))
    parser.add_argument("--tasks", type=command_line.positive, default=20, help="at most")
    parser.add_argument("--epochs", type=command_line.positive, help="default: by the rows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, help="TFDS folder; default: embedded subsets")
    arguments = command_line.parse(parser, argv, tasks=3, epochs=2)
    stream, classes = make_stream(arguments)
    generated = Generated(stream)
    model = ccl.CCLGM((28, 28, 1), classes, seed=arguments.seed)
    history = model.fit_tasks(stream, epochs=arguments.epochs, callbacks=[generated], verbose=2)
    generated.count(model)
    print(history.table())
    for after, counts in enumerate(generated.counts, start=1):
        print(f"generated after task {after:2}:", *(f"{count:5}" for count in counts))
    shares = [min(counts) * len(counts) / GENERATED for counts in generated.counts]
    found = {
        "stream": arguments.stream,
        "average_accuracy": np.round(history.average_accuracy, 4).tolist(),
        "accuracy_at_the_end": np.round(history.accuracy[-1], 4).tolist(),
        "smallest_share_generated": np.round(shares, 3).tolist(),
        "kept_megabytes": round(model.kept_bytes / 1e6, 1),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
