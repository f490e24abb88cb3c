"""The matrix products of one training step: the floor of what the step can take."""

import itertools
from collections.abc import Callable

import tensorflow as tf

BATCH, LATENT, PIXELS, CLASSES, HIDDEN = 256, 100, 784, 10, 512


def layer_sizes(units: int) -> dict[str, list[tuple[int, int]]]:
    """(inputs, outputs) of every dense layer of encoder, decoder and classifier."""

    def chain(*sizes: int) -> list[tuple[int, int]]:
        return list(itertools.pairwise(sizes))

    return {
        "encoder": chain(PIXELS, units, units, 2 * LATENT),
        "decoder": chain(LATENT, units, units, PIXELS),
        "classifier": chain(LATENT, HIDDEN, CLASSES),
    }


def products(units: int) -> list[tuple[int, int, int]]:
    """The shapes [m, k] x [k, n] of every matrix product of one step, as (m, k, n)."""
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


def floor(units: int, dtype: str = "float32") -> Callable[[int], None]:
    """A function of a number of steps that runs nothing but the products."""

    def factor(*shape: int) -> tf.Tensor:
        return tf.cast(tf.random.normal(shape), dtype)

    pairs = [(factor(m, k), factor(k, n)) for m, k, n in products(units)]

    @tf.function
    def step(factors: list[tuple[tf.Tensor, tf.Tensor]]) -> tf.Tensor:
        # Reading one entry of each product keeps all of them and costs nothing.
        return tf.add_n([tf.matmul(a, b)[0, 0] for a, b in factors])

    def run(steps: int) -> None:
        for _ in range(steps):
            step(pairs)

    return run
