"""What tf.data's tuning thread costs where a pipeline leaves it nothing to tune.

    python benchmarks/pipeline.py [--quick]

An iterator whose dataset is tuned may wait at its end until the tuning thread wakes, which sleeps
10 ms, then 20, 40 and so on. In turns: `fit` for some steps on our batches of arrays, which are not
tuned, and on the same batches tuned. The last line is one JSON object: the time of the second as a
ratio to the first, median and largest, for several lengths of `fit`.
"""

import functools
import json

import command_line
import numpy as np
import tensorflow as tf
from timing import in_turns

import keras_ccl as ccl
from keras_ccl.data.pipelines import with_tuning
from keras_ccl.data.splits import as_split

QUICK_STEPS, STEPS = (40,), (10, 40, 160, 480)


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    parser.add_argument("--rounds", type=command_line.positive, default=15)
    arguments = command_line.parse(parser, argv, rounds=5)
    model = ccl.JointVAE((28, 28, 1), 10, seed=0)
    split = as_split(ccl.datasets.load("mnist").train, model.data_spec, "train", batch_size=256)
    rows, _ = split.training(256, seed=tf.constant([0, 0]))
    tuned = with_tuning(rows, enabled=True)  # as tf.data would by default
    model.compile(optimizer="adam")
    found = {}
    for steps in QUICK_STEPS if arguments.quick else STEPS:
        fit = functools.partial(model.fit, steps_per_epoch=steps, epochs=1, verbose=0)
        each = {"tuned": functools.partial(fit, tuned), "ours": functools.partial(fit, rows)}
        seconds = in_turns(each, rounds=arguments.rounds)
        ratios = seconds["tuned"] / seconds["ours"]
        found[str(steps)] = {
            "median": round(float(np.median(ratios)), 2),
            "largest": round(float(ratios.max()), 2),
        }
    print(json.dumps({"rounds": arguments.rounds, "tuned_to_ours_by_steps": found}))


if __name__ == "__main__":
    main()
