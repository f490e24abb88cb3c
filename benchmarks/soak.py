"""Many tasks in a row: does time, memory or anything else grow with their number?

    python benchmarks/soak.py [--tasks 100] [--quick]

Each task is a permutation of 2,000 rows of the embedded subset. The last line is one JSON object:
resident memory and seconds per step by task, and their ratios to task 10. Memory may grow by what R
holds; a step must cost the same after any number of tasks.
"""

import json
import tempfile
from pathlib import Path

import command_line
import numpy as np
from timing import Watch

import keras_ccl as ccl

FIRST = 10
"""The task that later ones are compared with."""


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--tasks", type=command_line.positive, default=100)
    parser.add_argument("--rows", type=command_line.positive, default=2000)
    arguments = command_line.parse(parser, argv, tasks=20)
    if arguments.tasks < FIRST:
        parser.error(f"--tasks: expected at least {FIRST}, received {arguments.tasks}")
    data = ccl.datasets.load("mnist")
    train = tuple(part[: arguments.rows] for part in data.train)
    test = tuple(part[:200] for part in data.test)
    stream = ccl.streams.permuted(ccl.Task(train, test=test), tasks=arguments.tasks, seed=0)
    model, watch = ccl.CCLGM((28, 28, 1), 10, seed=0), Watch()
    with tempfile.TemporaryDirectory() as folder:
        history = model.fit_tasks(
            stream, epochs=2, callbacks=[watch], verbose=2, checkpoint_dir=folder
        )
        left = sorted(path.name for path in Path(folder).glob("0*"))
    print(f"average accuracy {history.average_accuracy[-1]:.4f} over {arguments.tasks} tasks")
    # Task 1 has no replay and task 2 traces it: what grows, grows after those.
    early, late = np.median(watch.step_seconds[5:FIRST]), np.median(watch.step_seconds[-5:])
    found = {
        "tasks": arguments.tasks,
        "rows_of_r": len(history),
        "finite": bool(np.isfinite([e["loss"] for e in history.epochs]).all()),
        "files_left": left,
        "megabytes": watch.megabytes,
        "memory_ratio": round(watch.megabytes[-1] / watch.megabytes[FIRST - 1], 3),
        "step_seconds": watch.step_seconds,
        "step_ratio": round(float(late / early), 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
