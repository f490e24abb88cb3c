"""Does mixed precision cost accuracy? The same stream in float32, bfloat16 and float16.

    python benchmarks/precision.py [--seeds 0 1] [--quick]

Permuted MNIST on the embedded subset, 5 tasks of 10 epochs, the defaults. Likelihoods and
divergences are float32 in all three. The last line is one JSON object: the average accuracy of each
seed, its mean's distance to float32 in points, and the time as a ratio to float32's (a CPU without
float16 arithmetic is slower with it).
"""

import functools
import json

import command_line
import keras
import numpy as np
from timing import timed

import keras_ccl as ccl

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


def final_accuracy(policy: str, seed: int, tasks: int, epochs: int) -> float:
    """Average accuracy over all tasks at the end of the stream."""
    keras.mixed_precision.set_global_policy(policy)
    stream = ccl.streams.permuted(ccl.datasets.load("mnist"), tasks=tasks, seed=seed)
    model = ccl.CCLGM((28, 28, 1), 10, seed=seed)
    history = model.fit_tasks(stream, epochs=epochs, verbose=0)
    return float(history.average_accuracy[-1])


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--tasks", type=command_line.positive, default=5)
    parser.add_argument("--epochs", type=command_line.positive, default=10, help="per task")
    arguments = command_line.parse(parser, argv, seeds=[0], tasks=2, epochs=2)
    tasks, epochs = arguments.tasks, arguments.epochs
    accuracy = {policy: [] for policy in POLICIES}
    seconds = {policy: [] for policy in POLICIES}
    for seed in arguments.seeds:
        for policy in POLICIES:
            run = functools.partial(final_accuracy, policy, seed, tasks, epochs)
            reached, took = timed(run)
            print(f"seed {seed}, {policy}: {reached:.4f}", flush=True)
            accuracy[policy].append(reached)
            seconds[policy].append(took)
    base = np.mean(accuracy["float32"])
    points = {p: 100 * float(np.mean(v) - base) for p, v in accuracy.items()}
    times = {p: float(np.median(np.divide(v, seconds["float32"]))) for p, v in seconds.items()}
    found = {
        "tasks": tasks,
        "epochs": epochs,
        "seeds": arguments.seeds,
        "average_accuracy": {p: np.round(v, 4).tolist() for p, v in accuracy.items()},
        "points_from_float32": {p: round(value, 2) for p, value in points.items()},
        "time_to_float32": {p: round(value, 2) for p, value in times.items()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
