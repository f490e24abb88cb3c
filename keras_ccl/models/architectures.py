"""The networks of each architecture: dense, or gated convolutions.

To add an architecture, write the functions that make its networks, and add an entry to `MAKERS`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
from keras import layers

from keras_ccl.bounds.likelihoods import is_image


class Architecture(NamedTuple):
    """Functions that make the three networks."""

    encoder: Callable[..., keras.Model]
    decoder: Callable[..., keras.Model]
    classifier: Callable[..., keras.Model]


def dense_encoder(
    input_shape: tuple[int, ...],
    latent_dim: int,
    *,
    units: Sequence[int] = (400, 400),
    activation: str = "relu",
    seed: int | None = None,
) -> keras.Model:
    """Make an encoder of dense layers on the flattened input.

    Args:
        input_shape: The shape of one input.
        latent_dim: The number of latent dimensions, Z.
        units: The number of units of each hidden layer.
        activation: The activation of the hidden layers.
        seed: The seed of the initial weights.

    Returns:
        A model `[B, *input_shape]` -> `[B, 2 Z]`.
    """
    x = keras.Input(input_shape, name="x")
    initializers = _initializers(seed, 0)
    hidden = _dense_stack(layers.Flatten()(x), units, activation, initializers)
    parameters = _output_layer(2 * latent_dim, initializers, name="q_z")(hidden)
    return keras.Model(x, parameters, name="encoder")


def dense_decoder(
    input_shape: tuple[int, ...],
    latent_dim: int,
    *,
    units: Sequence[int] = (400, 400),
    activation: str = "relu",
    seed: int | None = None,
) -> keras.Model:
    """Make a decoder of dense layers, the last with one unit per pixel.

    Args:
        input_shape: The shape of one input.
        latent_dim: The number of latent dimensions, Z.
        units: The number of units of each hidden layer.
        activation: The activation of the hidden layers.
        seed: The seed of the initial weights.

    Returns:
        A model `[B, Z]` -> `[B, *input_shape]`.
    """
    z = keras.Input((latent_dim,), name="z")
    initializers = _initializers(seed, 1)
    # The output layer is made first: the order decides which seed each layer gets.
    last = _output_layer(math.prod(input_shape), initializers)
    pixels = last(_dense_stack(z, units, activation, initializers))
    return keras.Model(z, layers.Reshape(input_shape, name="p_x")(pixels), name="decoder")


def dense_classifier(
    num_classes: int,
    latent_dim: int,
    *,
    units: Sequence[int] = (512,),
    activation: str = "relu",
    seed: int | None = None,
) -> keras.Model:
    """Make a classifier of dense layers.

    Args:
        num_classes: The number of classes, K.
        latent_dim: The number of latent dimensions, Z.
        units: The number of units of each hidden layer; `()` makes a linear classifier.
        activation: The activation of the hidden layers.
        seed: The seed of the initial weights.

    Returns:
        A model `[B, Z]` -> `[B, K]`.
    """
    z = keras.Input((latent_dim,), name="z")
    initializers = _initializers(seed, 2)
    hidden = _dense_stack(z, units, activation, initializers)
    logits = _output_layer(num_classes, initializers, name="p_y")(hidden)
    return keras.Model(z, logits, name="classifier")


def conv_encoder(
    input_shape: tuple[int, ...],
    latent_dim: int,
    *,
    filters: Sequence[int] = (32, 64, 128),
    seed: int | None = None,
) -> keras.Model:
    """Make an encoder of gated convolutions with GroupNorm and ELU.

    Args:
        input_shape: The shape of one input, (height, width, channels).
        latent_dim: The number of latent dimensions, Z.
        filters: The number of filters of each convolution, which halves height and width.
        seed: The seed of the initial weights.

    Returns:
        A model `[B, *input_shape]` -> `[B, 2 Z]`.

    Raises:
        ValueError: If `input_shape` is not (height, width, channels).
    """
    _require_image(input_shape)
    initializers = _initializers(seed, 3)
    x = hidden = keras.Input(input_shape, name="x")
    for width in filters:
        hidden = _gated_convolution(layers.Conv2D, hidden, width, 2, initializers)
    parameters = _output_layer(2 * latent_dim, initializers, name="q_z")(layers.Flatten()(hidden))
    return keras.Model(x, parameters, name="encoder")


def conv_decoder(
    input_shape: tuple[int, ...],
    latent_dim: int,
    *,
    filters: Sequence[int] = (64, 32, 16),
    seed: int | None = None,
) -> keras.Model:
    """Make a decoder of gated transposed convolutions with GroupNorm and ELU.

    The result is cropped to the size of the input.

    Args:
        input_shape: The shape of one input, (height, width, channels).
        latent_dim: The number of latent dimensions, Z.
        filters: The number of filters of each convolution, which doubles height and width.
        seed: The seed of the initial weights.

    Returns:
        A model `[B, Z]` -> `[B, *input_shape]`.

    Raises:
        ValueError: If `input_shape` is not (height, width, channels).
    """
    _require_image(input_shape)
    initializers = _initializers(seed, 4)
    height, width, channels = input_shape
    scale = 2 ** len(filters)
    rows, columns = math.ceil(height / scale), math.ceil(width / scale)
    z = keras.Input((latent_dim,), name="z")
    hidden = _dense_stack(z, [rows * columns * filters[0]], "elu", initializers)
    hidden = layers.Reshape((rows, columns, filters[0]))(hidden)
    for size in filters:
        hidden = _gated_convolution(layers.Conv2DTranspose, hidden, size, 2, initializers)
    last = layers.Conv2D(channels, 3, padding="same", kernel_initializer=next(initializers))
    pixels = last(hidden)
    crop = ((0, rows * scale - height), (0, columns * scale - width))
    return keras.Model(z, layers.Cropping2D(crop, name="p_x")(pixels), name="decoder")


MAKERS = {
    "dense": Architecture(dense_encoder, dense_decoder, dense_classifier),
    "convolutional": Architecture(conv_encoder, conv_decoder, dense_classifier),
}
"""The functions that make the networks of each architecture."""

ARCHITECTURES = tuple(MAKERS)
"""The names of the architectures, as the option `architecture` takes them."""

Initializers = Iterator[keras.initializers.Initializer]
"""One initializer for each layer, in the order in which the layers are made."""


def _dense_stack(
    hidden: Any, units: Sequence[int], activation: str, initializers: Initializers
) -> Any:
    for width in units:
        hidden = layers.Dense(width, activation, kernel_initializer=next(initializers))(hidden)
    return hidden


def _output_layer(units: int, initializers: Initializers, name: str | None = None) -> layers.Dense:
    return layers.Dense(units, kernel_initializer=next(initializers), name=name)


def _gated_convolution(
    convolution: Callable[..., keras.layers.Layer],
    hidden: Any,
    filters: int,
    strides: int,
    initializers: Initializers,
) -> Any:
    """Multiply a convolution by a sigmoid gate (van den Oord et al. 2016); then GroupNorm, ELU."""

    def half(activation: str | None) -> Any:
        return convolution(
            filters,
            3,
            strides=strides,
            padding="same",
            activation=activation,
            kernel_initializer=next(initializers),
        )(hidden)

    gated = layers.Multiply()([half(None), half("sigmoid")])
    return layers.ELU()(layers.GroupNormalization(groups=math.gcd(8, filters))(gated))


def _initializers(seed: int | None, network: int) -> Initializers:
    """Yield initializers, each with another seed, or all without one if `seed` is None."""
    step = 0
    while True:
        own = None if seed is None else 1000 * (5 * seed + network) + step
        yield keras.initializers.GlorotUniform(seed=own)
        step += 1


def _require_image(input_shape: Sequence[int]) -> None:
    if not is_image(tuple(input_shape)):
        raise ValueError(
            "the convolutional networks expect input_shape (height, width, channels), "
            f"received {tuple(input_shape)}"
        )
