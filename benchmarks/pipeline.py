"""What tf.data's tuning thread costs where a pipeline leaves it nothing to tune.

    python benchmarks/pipeline.py [--quick]

An iterator whose dataset is tuned may wait at its end until the tuning thread wakes, which sleeps
10 ms, then 20, 40 and so on. In turns: `fit` for some steps on our batches of arrays, which are not
tuned, and on the same batches tuned. The last line is one JSON object: the time of the second as a
ratio to the first, median and largest, for several lengths of `fit`.
"""

import argparse
import json
import time

import numpy as np
import tensorflow as tf

import keras_ccl as ccl
from keras_ccl.data.pipelines import with_tuning
from keras_ccl.data.splits import as_split


def seconds(model, rows, steps):
    """How long one `fit` takes, its iterator's end included."""
    started = time.perf_counter()
    model.fit(rows, steps_per_epoch=steps, epochs=1, verbose=0)
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="5 rounds of 40 steps")
    arguments = parser.parse_args()
    rounds, lengths = (5, (40,)) if arguments.quick else (arguments.rounds, (10, 40, 160, 480))
    model = ccl.JointVAE((28, 28, 1), 10, seed=0)
    split = as_split(ccl.datasets.load("mnist").train, model.data_spec, "train", batch_size=256)
    rows, _ = split.training(256, seed=tf.constant([0, 0]))
    tuned = with_tuning(rows, enabled=True)  # as tf.data would by default
    model.compile(optimizer="adam")
    seconds(model, rows, 10)  # traces
    found = {}
    for steps in lengths:
        each = [seconds(model, tuned, steps) / seconds(model, rows, steps) for _ in range(rounds)]
        found[str(steps)] = {
            "median": round(float(np.median(each)), 2),
            "largest": round(max(each), 2),
        }
    print(json.dumps({"rounds": rounds, "tuned_to_ours_by_steps": found}))


if __name__ == "__main__":
    main()
