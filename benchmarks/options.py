"""One stream with options of your choice, measured on held-out training rows.

    python benchmarks/options.py permuted --data-dir DIR --tasks 3 --epochs 3 replay_inputs=mean
    python benchmarks/options.py split --quick classification_weight=100

Defaults are chosen with it. The last 5,000 training rows (1,000 of the embedded subset) are held
out and stand in for the test rows, which are never read. Permutations are other ones than the
examples'. The last line is JSON.
"""

import argparse
import ast
import json
from pathlib import Path
from typing import Any

import command_line
import numpy as np
from timing import timed

import keras_ccl as ccl
from keras_ccl.data.sources import resolve
from keras_ccl.methods.registry import HEADS, METHODS

STREAMS = ("permuted", "split", "rotated")


def option(text: str) -> tuple[str, Any]:
    """An argparse type: name=value, the value a Python literal or a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected name=value, received {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def parse(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    parser.add_argument("stream", choices=STREAMS)
    parser.add_argument(
        "options", nargs="*", type=option, help="name=value, of the method or the model"
    )
    parser.add_argument("--method", choices=(*METHODS, *HEADS), default="ccl-gm")
    parser.add_argument("--dataset", choices=("mnist", "fashion_mnist"), default="mnist")
    parser.add_argument("--data-dir", type=Path, help="TFDS folder; default: the embedded subset")
    parser.add_argument("--tasks", type=command_line.positive, default=5)
    parser.add_argument("--epochs", type=command_line.positive, default=10, help="per task")
    parser.add_argument("--seed", type=int, default=0)
    arguments = command_line.parse(parser, argv, tasks=2, epochs=1)
    if arguments.data_dir and not arguments.data_dir.is_dir():
        parser.error(f"--data-dir: there is no folder {str(arguments.data_dir)!r}")
    return arguments


def held_out(data: ccl.datasets.Dataset, rows: int) -> ccl.Task:
    """The same data with its last training rows in place of the test rows."""
    x, y = data.train
    return ccl.Task((x[:-rows], y[:-rows]), test=(x[-rows:], y[-rows:]))


def stream_of(arguments: argparse.Namespace) -> ccl.TaskStream:
    """The stream, measured on held-out training rows."""
    source = {"source": "tfds", "data_dir": arguments.data_dir} if arguments.data_dir else {}
    data = ccl.datasets.load(arguments.dataset, **source)
    data = held_out(data, 5000 if arguments.data_dir else 1000)
    if arguments.stream == "permuted":
        return ccl.streams.permuted(data, tasks=arguments.tasks, seed=100 + arguments.seed)
    if arguments.stream == "rotated":
        return ccl.streams.rotated(data, tasks=arguments.tasks)
    return ccl.streams.split(data)[: arguments.tasks]


def accuracy_with_task_told(model: ccl.JointVAE, stream: ccl.TaskStream) -> list[float]:
    """Accuracy on each task at the end, where only the classes of that task may be answered."""
    found = []
    for task in stream:
        x, y = resolve(task.test)
        classes = np.unique(y)
        answers = classes[model.predict(x, verbose=0)[:, classes].argmax(1)]
        found.append(float(np.mean(answers == y)))
    return found


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    arguments = parse(parser, argv)
    options = dict(arguments.options)
    try:
        model = {**METHODS, **HEADS}[arguments.method](
            (28, 28, 1), 10, seed=arguments.seed, **options
        )
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    stream = stream_of(arguments)
    if len(stream) < arguments.tasks:
        parser.error(f"--tasks: {arguments.stream} has {len(stream)}, received {arguments.tasks}")
    epochs = None if model.one_pass else arguments.epochs
    history, seconds = timed(lambda: model.fit_tasks(stream, epochs=epochs))
    print(history.table())
    found = {
        "stream": arguments.stream,
        "method": arguments.method,
        "options": options,
        "epochs": epochs,
        "seed": arguments.seed,
        "average_accuracy": np.round(history.average_accuracy, 4).tolist(),
        "last": np.round(history.accuracy[-1], 4).tolist(),
        "learnt": np.round(np.diag(history.accuracy), 4).tolist(),
        "task_told": np.round(accuracy_with_task_told(model, stream), 4).tolist(),
        "average_negative_elbo": np.round(history.average_negative_elbo, 2).tolist(),
        "minutes": round(seconds / 60, 2),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
