"""Does `fit_stream` find the changes of a stream, and none where there is none?

    python benchmarks/changes.py permuted [--data-dir DIR] [--quick]
    python benchmarks/changes.py constant [--data-dir DIR] [--quick]

`permuted`: the pixels are permuted anew four times; `split`: two new classes four times;
`constant`: 2,000 batches of 32 rows of one data set, shuffled. Embedded subsets, or all of the data
from a TFDS folder.
The last line is one JSON object: where the changes are and where they were found, after how many
batches of 32 rows each was noticed (null where it was not), and how many were found that are none.
"""

import json
from pathlib import Path
from typing import Any

import command_line
import numpy as np

import keras_ccl as ccl

BATCH, BATCHES = 32, 2000
NEAR = 64
"""Rows between a change and where it is found, at most."""


def make_stream(arguments: Any) -> tuple[tuple[np.ndarray, np.ndarray], list[int]]:
    """Rows, and how many come before each change."""
    source = {"source": "tfds", "data_dir": arguments.data_dir} if arguments.data_dir else {}
    data = ccl.datasets.load(arguments.dataset, **source)
    if arguments.stream == "constant":
        x, y = data.train
        wanted = BATCH * (100 if arguments.quick else BATCHES)
        random = np.random.default_rng(arguments.seed)
        order = np.concatenate([random.permutation(len(y)) for _ in range(wanted // len(y) + 1)])
        return (x[order[:wanted]], y[order[:wanted]]), []
    if arguments.stream == "permuted":
        tasks = ccl.streams.permuted(data, tasks=2 if arguments.quick else 5, seed=arguments.seed)
    else:
        tasks = ccl.streams.split(data)[: 2 if arguments.quick else 5]
    stream = ccl.streams.blurred(tasks, seed=arguments.seed)
    return stream.rows, list(stream.ends[:-1])


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("stream", choices=("permuted", "split", "constant"))
    parser.add_argument("--dataset", choices=("mnist", "fashion_mnist"), default="mnist")
    parser.add_argument("--epochs", type=command_line.positive, help="at a hand-over")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, help="TFDS folder; default: embedded subsets")
    arguments = command_line.parse(parser, argv, epochs=1)
    rows, changes = make_stream(arguments)
    model = ccl.CCLGM((28, 28, 1), 10, seed=arguments.seed)
    history = model.fit_stream(rows, epochs=arguments.epochs)
    found = dict(zip(history.boundaries, history.noticed, strict=True))
    found = {row: when for row, when in found.items() if row < len(rows[1])}
    near = [next((row for row in found if abs(row - change) <= NEAR), None) for change in changes]
    batches = [
        None if row is None else round((found[row] - change) / BATCH, 1)
        for row, change in zip(near, changes, strict=True)
    ]
    results = {
        "stream": f"{arguments.stream} {arguments.dataset}",
        "batches": len(rows[1]) // BATCH,
        "changes": changes,
        "found": list(found),
        "noticed_after_batches": batches,
        "false": len(set(found) - set(near)),
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
