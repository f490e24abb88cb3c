"""Encoder, decoder and classifier: those of an architecture, or Keras models of the user.

All of them have the same inputs and outputs:

    encoder     x [B, *input_shape] -> [B, 2 Z], the mean and the raw log-variance of q(z|x)
    decoder     z [B, Z] -> [B, *input_shape], the logits or means of p(x|z)
    classifier  z [B, Z] -> [B, K], the logits of p(y|z)
"""

from typing import Any, NamedTuple

import keras

from keras_ccl.checkpointing.layer_state import copy_own_state, copy_state
from keras_ccl.models.architectures import (
    ARCHITECTURES,
    MAKERS,
    Architecture,
    conv_decoder,
    conv_encoder,
    dense_classifier,
    dense_decoder,
    dense_encoder,
)

__all__ = [
    "ARCHITECTURES",
    "MAKERS",
    "Architecture",
    "Networks",
    "check_shapes",
    "complete",
    "conv_decoder",
    "conv_encoder",
    "copy",
    "dense_classifier",
    "dense_decoder",
    "dense_encoder",
    "in_float32",
]


class Networks(NamedTuple):
    """The three networks of a joint VAE. One that the user does not give is None."""

    encoder: keras.Model
    decoder: keras.Model
    classifier: keras.Model


def complete(
    given: Networks,
    architecture: str,
    input_shape: tuple[int, ...],
    num_classes: int,
    latent_dim: int,
    *,
    seed: int | None = None,
) -> Networks:
    """Make the networks that are not given, and check those that are.

    Args:
        given: The networks of the user, each a Keras model or None.
        architecture: `"dense"` or `"convolutional"`, for the others.
        input_shape: The shape of one input.
        num_classes: The number of classes, K.
        latent_dim: The number of latent dimensions, Z.
        seed: The seed of the initial weights.

    Returns:
        The three networks.

    Raises:
        ValueError: If a network does not fit; the error names it, the shape expected and the shape
            received.
    """
    make = MAKERS[architecture]
    networks = Networks(
        given.encoder or make.encoder(input_shape, latent_dim, seed=seed),
        given.decoder or make.decoder(input_shape, latent_dim, seed=seed),
        given.classifier or make.classifier(num_classes, latent_dim, seed=seed),
    )
    check_shapes(networks, input_shape, num_classes, latent_dim)
    return networks


def check_shapes(
    networks: Networks, input_shape: tuple[int, ...], num_classes: int, latent_dim: int
) -> None:
    """Refuse networks whose inputs or outputs have the wrong shape.

    Args:
        networks: The three networks.
        input_shape: The shape of one input.
        num_classes: The number of classes, K.
        latent_dim: The number of latent dimensions, Z.

    Raises:
        ValueError: If one does not fit; the error names it, the shape expected and the shape
            received.
    """
    slots = {
        "encoder": ((None, *input_shape), (None, 2 * latent_dim)),
        "decoder": ((None, latent_dim), (None, *input_shape)),
        "classifier": ((None, latent_dim), (None, num_classes)),
    }
    for name, (given, expected) in slots.items():
        received = shapes_of_outputs(name, getattr(networks, name), given)
        if received != expected:
            raise ValueError(
                f"{name}: expected one output of shape {expected} for inputs of shape {given}, "
                f"received {received}"
            )


def shapes_of_outputs(name: str, network: Any, given: tuple[int | None, ...]) -> Any:
    """Return the shapes of what a network makes of inputs.

    Args:
        name: What the user calls it, for the error.
        network: The network.
        given: The shape of its inputs; the first axis is the batch, None.

    Returns:
        A shape, or a structure of them where there are several outputs.

    Raises:
        ValueError: If it is not a Keras model, or does not accept such inputs.
    """
    if not isinstance(network, keras.Model):
        raise ValueError(f"{name}: expected a keras.Model, received {network!r}")
    try:
        outputs = network(keras.Input(given[1:]))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: it does not accept inputs of shape {given}: {error}") from error
    return keras.tree.map_structure(lambda output: tuple(output.shape), outputs)


def copy(network: keras.Model) -> keras.Model:
    """Return a network of the same structure with new weights.

    Args:
        network: The network to copy.

    Returns:
        The copy.

    Raises:
        ValueError: If Keras cannot make one, as of a `Lambda` layer or one that is not registered.
    """
    try:
        return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{network.name}: layers of your own must be classes registered with Keras, not "
            f"Lambda; a copy, such as a teacher is, failed: {cause(error)}"
        ) from error


def cause(error: Exception) -> str:
    """Return the cause in an error of Keras's, which quotes whole configurations before it."""
    found = str(error).rpartition("Exception encountered: ")[2].strip()
    return found.partition("\n")[0].partition(". ")[0]


def renew(network: keras.layers.Layer, fresh: keras.layers.Layer) -> None:
    """Give the layers of a network that are trained the state of those of another.

    Layers that are not trained, such as those of a pretrained part, stay as they are.

    Args:
        network: The network.
        fresh: One of the same structure, such as a copy with initial weights.
    """
    pairs = zip(network._flatten_layers(), fresh._flatten_layers(), strict=True)
    for own, other in pairs:
        if own._trainable_variables and own.trainable:
            copy_own_state(other, own)


def in_float32(network: keras.Model) -> keras.Model:
    """Return a copy with the same weights that computes in float32.

    Args:
        network: A network of any precision.

    Returns:
        The copy, all layers of which compute so, also those within others.
    """
    config = _with_float32(keras.saving.serialize_keras_object(network))
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # which the model takes for itself
    try:
        twin = keras.saving.deserialize_keras_object(config)
    finally:
        keras.config.set_dtype_policy(policy)
    copy_state(network, twin)
    return twin


def _with_float32(config: Any) -> Any:
    """A serialized network whose layers of mixed or low precision have the policy float32."""
    if isinstance(config, list | tuple):
        return [_with_float32(part) for part in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy" and "float" in config["config"]["name"]:
        return "float32"
    return {key: _with_float32(value) for key, value in config.items()}
