"""Backbones: frozen Keras models from x to the features that everything else sees in its place."""

import keras

from keras_ccl.bounds import likelihoods
from keras_ccl.data.validation import check_choice
from keras_ccl.models.networks import shapes_of_outputs


def seen_through(
    backbone: keras.Model | None, input_shape: tuple[int, ...], likelihood: str | None
) -> tuple[tuple[int, ...], str]:
    """What the networks see of x.

    Args:
        backbone: from x `[B, *input_shape]` to features, or None.
        input_shape: of one x.
        likelihood: the option.

    Returns:
        The shape of what they see, of one row, and its likelihood.

    Raises:
        ValueError: for a likelihood that is none, or a backbone that does not fit.
    """
    likelihood = likelihood or (
        likelihoods.likelihood_of_shape(input_shape) if backbone is None else "gaussian"
    )
    check_choice("likelihood", likelihood, likelihoods.LIKELIHOODS)
    if backbone is None:
        return input_shape, likelihood
    if likelihood != "gaussian":
        raise ValueError(
            "likelihood: expected 'gaussian' for the features of a backbone; "
            f"received {likelihood!r}"
        )
    return _feature_shape(backbone, input_shape), likelihood


def freeze(backbone: keras.Model | None) -> keras.Model | None:
    """The backbone, which no step changes from now on."""
    if backbone is not None:
        backbone.trainable = False
    return backbone


def _feature_shape(backbone: keras.Model, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    given = (None, *input_shape)
    received = shapes_of_outputs("backbone", backbone, given)
    is_one = isinstance(received, tuple) and not isinstance(received[-1], tuple)
    if not is_one or None in received[1:] or received[1:] in ((), input_shape):
        raise ValueError(
            "backbone: expected one output, features of a known shape other than that of x, "
            f"received {received} for inputs of shape {given}"
        )
    return received[1:]
