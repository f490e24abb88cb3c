"""Does mixed precision cost accuracy? The same stream in float32, bfloat16 and float16.

    python benchmarks/precision.py [--seeds 0 1] [--quick]

Permuted MNIST on the embedded subset, 5 tasks of 10 epochs, the defaults. Likelihoods and
divergences are float32 in all three. The last line is one JSON object: the average accuracy of each
seed, its mean's distance to float32 in points, and the time as a ratio to float32's (a CPU without
float16 arithmetic is slower with it).
"""

import argparse
import json
import time

import keras
import numpy as np

import keras_ccl as ccl

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


def run(policy, seed, tasks, epochs):
    """Average accuracy at the end, and seconds."""
    keras.mixed_precision.set_global_policy(policy)
    stream = ccl.streams.permuted(ccl.datasets.load("mnist"), tasks=tasks, seed=seed)
    model = ccl.CCLGM((28, 28, 1), 10, seed=seed)
    started = time.perf_counter()
    history = model.fit_tasks(stream, epochs=epochs, verbose=0)
    return float(history.average_accuracy[-1]), time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--quick", action="store_true", help="2 tasks of 2 epochs, one seed")
    arguments = parser.parse_args()
    seeds, tasks, epochs = ([0], 2, 2) if arguments.quick else (arguments.seeds, 5, 10)
    accuracy = {policy: [] for policy in POLICIES}
    seconds = {policy: [] for policy in POLICIES}
    for seed in seeds:
        for policy in POLICIES:
            reached, took = run(policy, seed, tasks, epochs)
            print(f"seed {seed}, {policy}: {reached:.4f}", flush=True)
            accuracy[policy].append(reached)
            seconds[policy].append(took)
    base = np.mean(accuracy["float32"])
    found = {
        "tasks": tasks,
        "epochs": epochs,
        "seeds": seeds,
        "average_accuracy": {p: np.round(v, 4).tolist() for p, v in accuracy.items()},
        "points_from_float32": {
            p: round(100 * float(np.mean(v) - base), 2) for p, v in accuracy.items()
        },
        "time_to_float32": {
            p: round(float(np.median(np.divide(v, seconds["float32"]))), 2)
            for p, v in seconds.items()
        },
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
