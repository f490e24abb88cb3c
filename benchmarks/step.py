"""How close one training step is to the arithmetic in it.

    pip install -e ".[bench]"
    python benchmarks/step.py [--units 400] [--precision mixed_bfloat16] [--quick]

In one run, in turns, on 256 rows of the current task and 256 generated ones:

    floor       the matrix products of the step alone, `tf.matmul` on the same shapes
    bare        a loop that calls one traced `train_step` of ours, on the same data
    fit         our step inside Keras's `fit`, everything included
    joint_vae   `fit` of JointVAE on the current rows alone: no teacher, no generated rows
    pytorch     generative replay in plain PyTorch: the same sizes, rows, terms and p(z)

all in one precision: with mixed_bfloat16 the floor's products are bfloat16, ours follow Keras's
policy, PyTorch runs under its autocast, and stands there once more in float32 (pytorch_float32).

The last line is one JSON object: images per second of each (generated rows do not count), and the
ratios with their spread over the rounds. Times depend on the machine; the ratios are the result.
"""

import functools
import json
import sys
from collections.abc import Callable

import command_line
import keras
import numpy as np
import tensorflow as tf
from matrix_products import BATCH, CLASSES, HIDDEN, LATENT, floor
from timing import in_turns, spread

import keras_ccl as ccl
from keras_ccl.data.splits import as_split

PRECISIONS = ("float32", "mixed_bfloat16")
Steps = Callable[[int], None]
"""A function that runs a number of steps."""


def data() -> tuple[np.ndarray, np.ndarray]:
    """Rows of MNIST: x and y."""
    x, y = ccl.datasets.load("mnist").train
    return x[: 20 * BATCH], y[: 20 * BATCH]


def our_model(cls: type[ccl.JointVAE], units: int) -> ccl.JointVAE:
    """A compiled model with the sizes of `matrix_products`."""
    networks = ccl.networks
    model = cls(
        (28, 28, 1),
        CLASSES,
        latent_dim=LATENT,
        encoder=networks.dense_encoder((28, 28, 1), LATENT, units=(units, units)),
        decoder=networks.dense_decoder((28, 28, 1), LATENT, units=(units, units)),
        classifier=networks.dense_classifier(CLASSES, LATENT, units=(HIDDEN,)),
        seed=0,
    )
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    return model


def fitted(cls: type[ccl.JointVAE], units: int) -> tuple[ccl.JointVAE, tf.data.Dataset, Steps]:
    """A model in its second task, the rows that `fit_tasks` gives to `fit`, and `fit` itself."""
    model = our_model(cls, units)
    x, y = data()
    model.fit_tasks([(x[:BATCH], y[:BATCH])], epochs=1, verbose=0)  # now there is a teacher
    split = as_split((x, y), model.data_spec, "train", batch_size=BATCH)
    rows, _ = split.training(BATCH, seed=model.next_seed())

    def run(steps: int) -> None:
        model.keras_fit(rows, steps_per_epoch=steps, epochs=1, verbose=0)

    return model, rows, run


def bare(model: ccl.JointVAE, rows: tf.data.Dataset) -> Steps:
    """A loop that calls the traced step, and nothing else."""
    model.make_train_function(force=True)  # from now on the step replays
    step = tf.function(model.train_step)

    def run(steps: int) -> None:
        for batch in rows.take(steps):
            step(batch)

    return run


def contenders(units: int, *, bfloat16: bool) -> dict[str, Steps]:
    """What is timed, by name."""
    from pytorch_step import PyTorchReplay

    model, rows, fit = fitted(ccl.CCLGM, units)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or 2
    pytorch = (units, model.p_z, *data())
    found = {
        "floor": floor(units, "bfloat16" if bfloat16 else "float32"),
        "bare": bare(model, rows),
        "fit": fit,
        "joint_vae": fitted(ccl.JointVAE, units)[2],
        "pytorch": PyTorchReplay(*pytorch, threads=threads, bfloat16=bfloat16),
    }
    if bfloat16:
        found["pytorch_float32"] = PyTorchReplay(*pytorch, threads=threads)
    return found


def ratios(seconds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each ratio by name, round by round."""
    found = {
        f"fit_to_{name}": seconds["fit"] / seconds[name] for name in ("floor", "bare", "joint_vae")
    }
    for name in ("pytorch", "pytorch_float32"):
        if name in seconds:
            found[f"images_a_second_to_{name}"] = seconds[name] / seconds["fit"]
    return found


def main(argv: list[str] | None = None) -> None:
    parser = command_line.parser(__doc__)
    positive = command_line.positive
    parser.add_argument("--units", type=positive, default=400, help="of both hidden layers")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--rounds", type=positive, default=15)
    parser.add_argument("--steps", type=positive, default=60, help="of each contender per round")
    arguments = command_line.parse(parser, argv, rounds=3, steps=10)
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy(arguments.precision)
    try:
        found = contenders(arguments.units, bfloat16=arguments.precision == "mixed_bfloat16")
    except ModuleNotFoundError as error:
        sys.exit(f'step.py: {error.name} is missing: pip install -e ".[bench]"')
    runs = {name: functools.partial(run, arguments.steps) for name, run in found.items()}
    seconds = in_turns(runs, rounds=arguments.rounds)
    rate = {k: BATCH * arguments.steps / float(np.median(v)) for k, v in seconds.items()}
    result = {
        "units": arguments.units,
        "precision": arguments.precision,
        "rounds": arguments.rounds,
        "images_a_second": {name: round(value) for name, value in rate.items()},
        "ratios": {name: spread(values) for name, values in ratios(seconds).items()},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
