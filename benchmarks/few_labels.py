"""What is lost where most rows have no label: class-incremental and permuted streams.

    python benchmarks/few_labels.py [--data-dir DIR] [--streams split-fashion permuted] [--quick]

Each stream is learnt by `CCLGM(shape, classes)` with nothing else said, with a label on each of the
`--fractions` of the train rows of each class, and by ridge regressions given the same labels: on
patches, and on Fourier features. `--data-dir` is a TFDS folder with all data, in place of the
embedded subsets. The last line is one JSON object: by stream and fraction, the average accuracy at
the end and how many train rows had no label.
"""

import json
import time
from pathlib import Path

import command_line
import numpy as np

import keras_ccl as ccl

SHAPE, CLASSES = (28, 28, 1), 10
STREAMS = {
    "split-mnist": ("mnist", ccl.streams.split),
    "split-fashion": ("fashion_mnist", ccl.streams.split),
    "permuted": ("mnist", lambda data: ccl.streams.permuted(data, tasks=5)),
}


def models(seed: int) -> dict[str, ccl.CCLGM | ccl.RandomFeatureRidge]:
    """What learns each stream."""
    ridge = {
        f"ridge-{features}": ccl.RandomFeatureRidge(SHAPE, CLASSES, features=features, seed=seed)
        for features in ("patches", "fourier")
    }
    return {"ccl-gm": ccl.CCLGM(SHAPE, CLASSES, seed=seed), **ridge}


def measured(stream: ccl.TaskStream, fraction: float, seed: int, epochs: int | None) -> dict:
    """Average accuracy at the end of each model, and the rows without a label."""
    partly = ccl.streams.partly_labelled(stream, fraction=fraction, seed=seed)
    found = {}
    for name, model in models(seed).items():
        started = time.monotonic()
        passes = None if name.startswith("ridge") else epochs
        history = model.fit_tasks(partly, epochs=passes, verbose=0)
        found[name] = round(float(history.average_accuracy[-1]), 4)
        learnt_to = round(float(np.diag(history.accuracy).mean()), 4)
        seconds = round(time.monotonic() - started)
        told = f"{found[name]} at the end, learnt to {learnt_to}, {seconds} s"
        print(f"{fraction:g} of the labels, {name}: {told}", flush=True)
    return {**found, "unlabelled": sum(history.unlabelled)}


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--data-dir", type=Path, help="TFDS folder; default: embedded subsets")
    parser.add_argument("--streams", choices=STREAMS, nargs="+", default=list(STREAMS))
    parser.add_argument("--fractions", type=float, nargs="+", default=[1.0, 0.1, 0.01])
    parser.add_argument("--tasks", type=command_line.positive, default=5)
    parser.add_argument("--epochs", type=command_line.positive)
    parser.add_argument("--seed", type=int, default=0)
    quick = {"streams": ["split-fashion"], "fractions": [0.1], "tasks": 2, "epochs": 1}
    arguments = command_line.parse(parser, argv, **quick)
    full = {"source": "tfds", "data_dir": arguments.data_dir} if arguments.data_dir else {}
    found = {}
    for name in arguments.streams:
        dataset, build = STREAMS[name]
        stream = build(ccl.datasets.load(dataset, **full))[: arguments.tasks]
        print(name, flush=True)
        found[name] = {
            f"{fraction:g}": measured(stream, fraction, arguments.seed, arguments.epochs)
            for fraction in arguments.fractions
        }
    print(json.dumps({"seed": arguments.seed, "average_accuracy": found}))


if __name__ == "__main__":
    main()
