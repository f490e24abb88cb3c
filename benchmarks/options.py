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
import time

import numpy as np

import keras_ccl as ccl

METHODS = ccl.methods.METHODS


def option(text):
    """name=value, the value a Python literal or a word."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stream", choices=("permuted", "split", "rotated"))
    parser.add_argument("options", nargs="*", type=option, help="name=value, of the method")
    parser.add_argument("--method", choices=METHODS, default="ccl-gm")
    parser.add_argument("--dataset", choices=ccl.datasets.CLASS_NAMES, default="mnist")
    parser.add_argument("--data-dir", help="TFDS folder; without it the embedded subset is used")
    parser.add_argument("--tasks", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="2 tasks of 1 epoch")
    return parser.parse_intermixed_args()


def held_out(data, rows):
    """The same data with its last training rows in place of the test rows."""
    x, y = data.train
    return ccl.Task((x[:-rows], y[:-rows]), test=(x[-rows:], y[-rows:]))


def main():
    arguments = parse()
    tasks, epochs = (2, 1) if arguments.quick else (arguments.tasks, arguments.epochs)
    source = {"source": "tfds", "data_dir": arguments.data_dir} if arguments.data_dir else {}
    data = ccl.datasets.load(arguments.dataset, **source)
    data = held_out(data, 5000 if arguments.data_dir else 1000)
    stream = {
        "permuted": lambda: ccl.streams.permuted(data, tasks=tasks, seed=100 + arguments.seed),
        "split": lambda: ccl.streams.split(data)[:tasks],
        "rotated": lambda: ccl.streams.rotated(data, tasks=tasks),
    }[arguments.stream]()
    options = dict(arguments.options)
    model = METHODS[arguments.method]((28, 28, 1), 10, seed=arguments.seed, **options)
    started = time.monotonic()
    history = model.fit_tasks(stream, epochs=epochs)
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
        "average_negative_elbo": np.round(history.average_negative_elbo, 2).tolist(),
        "minutes": round((time.monotonic() - started) / 60, 2),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
