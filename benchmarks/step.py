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

The last line is one JSON object: images a second of each (generated rows do not count), and the
ratios with their spread over the rounds. Times depend on the machine; the ratios are the result.
"""

import argparse
import contextlib
import itertools
import json
import time

import keras
import numpy as np
import tensorflow as tf

import keras_ccl as ccl
from keras_ccl.data.splits import as_split

PRECISIONS = ("float32", "mixed_bfloat16")
BATCH, LATENT, PIXELS, CLASSES, HIDDEN = 256, 100, 784, 10, 512


def layer_sizes(units):
    """(inputs, outputs) of every dense layer of encoder, decoder and classifier."""

    def chain(*sizes):
        return list(itertools.pairwise(sizes))

    return {
        "encoder": chain(PIXELS, units, units, 2 * LATENT),
        "decoder": chain(LATENT, units, units, PIXELS),
        "classifier": chain(LATENT, HIDDEN, CLASSES),
    }


def products(units):
    """The shapes [m, k] x [k, n] of every matrix product of one step."""
    sizes, shapes = layer_sizes(units), []
    for network in ("encoder", "decoder", "classifier"):  # the teacher: x~, then q_t and y~ of x~
        shapes += [(BATCH, k, n) for k, n in sizes[network]]
    # The classifier runs twice: at a sample of z, and at the posterior mean.
    for network, rows in (("encoder", 2), ("decoder", 2), ("classifier", 4)):
        for depth, (k, n) in enumerate(sizes[network]):
            rows_of_step = rows * BATCH
            shapes += [(rows_of_step, k, n), (k, rows_of_step, n)]  # forward, gradient of weights
            if depth or network != "encoder":  # no gradient of x
                shapes.append((rows_of_step, n, k))
    return shapes


def floor(units, dtype="float32"):
    """A function of a number of steps that runs nothing but the products."""

    def factor(*shape):
        return tf.cast(tf.random.normal(shape), dtype)

    pairs = [(factor(m, k), factor(k, n)) for m, k, n in products(units)]

    @tf.function
    def step(factors):
        # Reading one entry of each product keeps all of them and costs nothing.
        return tf.add_n([tf.matmul(a, b)[0, 0] for a, b in factors])

    def run(steps):
        for _ in range(steps):
            step(pairs)

    return run


def data():
    x, y = ccl.datasets.load("mnist").train
    return x[: 20 * BATCH], y[: 20 * BATCH]


def our_model(cls, units):
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


def fitted(cls, units):
    """A function of a number of steps that runs `fit`, as in the second task of a stream."""
    model = our_model(cls, units)
    x, y = data()
    model.fit_tasks([(x[:BATCH], y[:BATCH])], epochs=1, verbose=0)  # now there is a teacher
    split = as_split((x, y), model.data_spec, "train", batch_size=BATCH)
    rows, _ = split.training(BATCH, seed=model.next_seed())  # what `fit_tasks` gives to `fit`

    def run(steps):
        model.fit(rows, steps_per_epoch=steps, epochs=1, verbose=0)

    return model, rows, run


def bare(model, rows):
    """A function of a number of steps that calls the traced step, and nothing else."""
    model.make_train_function(force=True)  # from now on the step replays
    step = tf.function(model.train_step)

    def run(steps):
        for batch in rows.take(steps):
            step(batch)

    return run


def pytorch(units, p_z, *, bfloat16=False):
    """A function of a number of steps of generative replay in PyTorch, z drawn from `p_z`."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(tf.config.threading.get_intra_op_parallelism_threads() or 2)

    def network(sizes):
        stack = []
        for k, n in sizes:
            stack += [nn.Linear(k, n), nn.ReLU()]
        return nn.Sequential(*stack[:-1])

    def networks():
        return nn.ModuleDict({name: network(sizes) for name, sizes in layer_sizes(units).items()})

    student, teacher = networks(), networks().requires_grad_(False)
    optimizer = torch.optim.Adam(student.parameters(), 1e-3)
    x, y = (torch.tensor(part) for part in data())
    x, y = x.reshape(-1, PIXELS), functional.one_hot(y.long(), CLASSES).float()
    weight = torch.full((2 * BATCH,), 0.5 / BATCH)
    log_weights, means, trils = (torch.tensor(part) for part in p_z.gaussians())
    shares = log_weights.softmax(0)

    def draw():
        component = torch.multinomial(shares, BATCH, replacement=True)
        offset = trils.index_select(0, component) @ torch.randn(BATCH, LATENT, 1)
        return means[component] + offset.squeeze(-1)

    def posterior(network, x):
        mean, raw = network["encoder"](x).chunk(2, -1)
        return mean, 12 * torch.tanh(raw / 12)

    def kl(mean, log_var, mean_p, log_var_p):
        ratio = (log_var - log_var_p).exp() + (mean - mean_p) ** 2 / log_var_p.exp()
        return 0.5 * (ratio - 1 - log_var + log_var_p).sum(-1)

    def cross_entropy(logits, y):
        return -(y * functional.log_softmax(logits, -1)).sum(-1)

    def step(current, labels):
        with torch.no_grad():
            pixels = teacher["decoder"](draw()).sigmoid()
            generated = torch.bernoulli(pixels)
            mean_t, log_var_t = posterior(teacher, generated)
            soft = teacher["classifier"](mean_t).softmax(-1)
        x, y = torch.cat([current, generated]), torch.cat([labels, soft])
        mean, log_var = posterior(student, x)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        logits = student["decoder"](z)
        rebuilt = functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        zero = torch.zeros(())
        loss = rebuilt + kl(mean, log_var, zero, zero)
        for at in (z, mean):
            loss = loss + 150 * cross_entropy(student["classifier"](at), y)
        held = kl(mean[BATCH:], log_var[BATCH:], mean_t, log_var_t)
        total = (weight * loss).sum() + (weight[BATCH:] * held).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()

    def run(steps):
        cast = torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext()
        order = itertools.cycle(torch.randperm(len(x)).split(BATCH))
        for rows in itertools.islice(order, steps):
            with cast:
                step(x.index_select(0, rows), y.index_select(0, rows))

    return run


def spread(values):
    low, middle, high = np.round(np.quantile(values, [0.25, 0.5, 0.75]), 3)
    return {"median": middle, "quartiles": [low, high]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=400, help="of both hidden layers")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=60, help="of each contender a round")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 10 steps")
    arguments = parser.parse_args()
    rounds, steps = (3, 10) if arguments.quick else (arguments.rounds, arguments.steps)
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy(arguments.precision)
    bfloat16 = arguments.precision == "mixed_bfloat16"
    model, rows, fit = fitted(ccl.CCLGM, arguments.units)
    contenders = {
        "floor": floor(arguments.units, "bfloat16" if bfloat16 else "float32"),
        "bare": bare(model, rows),
        "fit": fit,
        "joint_vae": fitted(ccl.JointVAE, arguments.units)[2],
        "pytorch": pytorch(arguments.units, model.p_z, bfloat16=bfloat16),
    }
    if bfloat16:
        contenders["pytorch_float32"] = pytorch(arguments.units, model.p_z)
    seconds = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            started = time.perf_counter()
            run(steps)
            if number:  # the first round traces and warms up
                seconds[name].append((time.perf_counter() - started) / steps)
    seconds = {name: np.array(values) for name, values in seconds.items()}
    ratios = {
        "fit_to_floor": seconds["fit"] / seconds["floor"],
        "fit_to_bare": seconds["fit"] / seconds["bare"],
        "fit_to_joint_vae": seconds["fit"] / seconds["joint_vae"],
    }
    for name in ("pytorch", "pytorch_float32"):
        if name in seconds:
            ratios[f"images_a_second_to_{name}"] = seconds[name] / seconds["fit"]
    found = {
        "units": arguments.units,
        "precision": arguments.precision,
        "rounds": rounds,
        "images_a_second": {k: round(BATCH / float(np.median(v))) for k, v in seconds.items()},
        "ratios": {name: spread(values) for name, values in ratios.items()},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
