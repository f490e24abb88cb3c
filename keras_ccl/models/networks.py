"""Encoder, decoder and classifier: dense, convolutional, or the user's own Keras models.

Whatever their kind they fit the same three slots:

    encoder     x [B, *input_shape] -> [B, 2 Z], the mean beside the raw log-variance of q(z|x)
    decoder     z [B, Z] -> [B, *input_shape], the logits or means of p(x|z)
    classifier  z [B, Z] -> [B, K], the logits of p(y|z)
"""

import math
from typing import NamedTuple

import keras
from keras import layers

ARCHITECTURES = ("dense", "convolutional")


class Networks(NamedTuple):
    """The three networks of a joint VAE, or whatever stands in their slots."""

    encoder: keras.Model
    decoder: keras.Model
    classifier: keras.Model


def complete(given, architecture, input_shape, num_classes, latent_dim, *, seed=None):
    """Fill the slots that are None with the defaults of an architecture, and check the others.

    Args:
        given: `Networks`, each of the three a Keras model or None.
        architecture: `"dense"` or `"convolutional"`.

    Raises:
        ValueError: naming the network that does not fit, the shape expected and the one received.
    """
    make = MAKERS[architecture]
    networks = Networks(
        given.encoder or make.encoder(input_shape, latent_dim, seed=seed),
        given.decoder or make.decoder(input_shape, latent_dim, seed=seed),
        given.classifier or make.classifier(num_classes, latent_dim, seed=seed),
    )
    check(networks, input_shape, num_classes, latent_dim)
    return networks


def dense_encoder(input_shape, latent_dim, *, units=(400, 400), activation="relu", seed=None):
    """Dense layers of `units` on the flattened input."""
    x = keras.Input(input_shape, name="x")
    seeds = _seeds(seed, 0)
    hidden = _dense_stack(layers.Flatten()(x), units, activation, seeds)
    return keras.Model(x, _output(2 * latent_dim, seeds, name="q_z")(hidden), name="encoder")


def dense_decoder(input_shape, latent_dim, *, units=(400, 400), activation="relu", seed=None):
    """Dense layers of `units`, then one unit a pixel."""
    z = keras.Input((latent_dim,), name="z")
    seeds = _seeds(seed, 1)
    pixels = _output(math.prod(input_shape), seeds)(_dense_stack(z, units, activation, seeds))
    return keras.Model(z, layers.Reshape(input_shape, name="p_x")(pixels), name="decoder")


def dense_classifier(num_classes, latent_dim, *, units=(512,), activation="relu", seed=None):
    """Dense layers of `units` on z; `units=()` is a linear classifier."""
    z = keras.Input((latent_dim,), name="z")
    seeds = _seeds(seed, 2)
    hidden = _dense_stack(z, units, activation, seeds)
    return keras.Model(z, _output(num_classes, seeds, name="p_y")(hidden), name="classifier")


def conv_encoder(input_shape, latent_dim, *, filters=(32, 64, 128), seed=None):
    """Gated convolutions, each halving height and width, with GroupNorm and ELU.

    Raises:
        ValueError: if `input_shape` is not (height, width, channels).
    """
    _require_image(input_shape)
    seeds = _seeds(seed, 3)
    x = hidden = keras.Input(input_shape, name="x")
    for width in filters:
        hidden = _gated(layers.Conv2D, hidden, width, strides=2, seeds=seeds)
    parameters = _output(2 * latent_dim, seeds, name="q_z")(layers.Flatten()(hidden))
    return keras.Model(x, parameters, name="encoder")


def conv_decoder(input_shape, latent_dim, *, filters=(64, 32, 16), seed=None):
    """Gated transposed convolutions, each doubling height and width, cropped to the input's size.

    Raises:
        ValueError: if `input_shape` is not (height, width, channels).
    """
    _require_image(input_shape)
    seeds = _seeds(seed, 4)
    height, width, channels = input_shape
    scale = 2 ** len(filters)
    rows, columns = math.ceil(height / scale), math.ceil(width / scale)
    z = keras.Input((latent_dim,), name="z")
    hidden = _dense_stack(z, [rows * columns * filters[0]], "elu", seeds)
    hidden = layers.Reshape((rows, columns, filters[0]))(hidden)
    for size in filters:
        hidden = _gated(layers.Conv2DTranspose, hidden, size, strides=2, seeds=seeds)
    pixels = layers.Conv2D(channels, 3, padding="same", kernel_initializer=next(seeds))(hidden)
    crop = ((0, rows * scale - height), (0, columns * scale - width))
    return keras.Model(z, layers.Cropping2D(crop, name="p_x")(pixels), name="decoder")


MAKERS = {
    "dense": Networks(dense_encoder, dense_decoder, dense_classifier),
    "convolutional": Networks(conv_encoder, conv_decoder, dense_classifier),
}


def check(networks, input_shape, num_classes, latent_dim):
    """Refuse networks that do not fit the slots.

    Raises:
        ValueError: naming the network, the shape expected and the shape received.
    """
    slots = {
        "encoder": ((None, *input_shape), (None, 2 * latent_dim)),
        "decoder": ((None, latent_dim), (None, *input_shape)),
        "classifier": ((None, latent_dim), (None, num_classes)),
    }
    for name, (given, expected) in slots.items():
        network = getattr(networks, name)
        try:
            received = network(keras.Input(given[1:])).shape
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{name}: it does not accept inputs of shape {given}: {error}"
            ) from error
        if tuple(received) != expected:
            raise ValueError(
                f"{name}: expected outputs of shape {expected} for inputs of shape {given}, "
                f"received {tuple(received)}"
            )


def copy(network):
    """A network of the same structure with new weights of its own."""
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))


def in_float32(network):
    """A copy, weights too, that computes in float32 whatever precision the network trains in."""

    def layer_in_float32(layer):
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # what a model around layers takes as its own
    try:
        twin = keras.models.clone_model(network, clone_function=layer_in_float32)
    finally:
        keras.config.set_dtype_policy(policy)
    twin.set_weights(network.get_weights())
    return twin


def _dense_stack(hidden, units, activation, seeds):
    for width in units:
        hidden = layers.Dense(width, activation, kernel_initializer=next(seeds))(hidden)
    return hidden


def _output(units, seeds, name=None):
    return layers.Dense(units, kernel_initializer=next(seeds), name=name)


def _gated(convolution, hidden, filters, *, strides, seeds):
    """A convolution times the sigmoid of another (van den Oord et al. 2016), GroupNorm, ELU."""

    def half(activation):
        return convolution(
            filters,
            3,
            strides=strides,
            padding="same",
            activation=activation,
            kernel_initializer=next(seeds),
        )(hidden)

    gated = layers.Multiply()([half(None), half("sigmoid")])
    return layers.ELU()(layers.GroupNormalization(groups=math.gcd(8, filters))(gated))


def _seeds(seed, network):
    """Initialisers with a seed of their own for each layer, or without seeds."""
    step = 0
    while True:
        own = None if seed is None else 1000 * (5 * seed + network) + step
        yield keras.initializers.GlorotUniform(seed=own)
        step += 1


def _require_image(input_shape):
    if len(input_shape) != 3:
        raise ValueError(
            "the convolutional networks expect input_shape (height, width, channels), "
            f"received {tuple(input_shape)}"
        )
