"""The state of layers as Keras saves and loads it, for weights that are passed on in memory.

Some layers compute with something that they derive from their weights, such as the mean of
`Normalization`. Where weights are assigned, it stays what it was; `load_own_variables`, by which
Keras loads each layer of a file, derives it anew.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np


def copy_state(source: keras.layers.Layer, twin: keras.layers.Layer) -> None:
    """Give a network, or another layer, the state of one of the same structure.

    Args:
        source: where the state is.
        twin: what takes it.

    Raises:
        ValueError: if the structures differ.
    """
    pairs = zip(source._flatten_layers(), twin._flatten_layers(), strict=True)
    for layer, own in pairs:
        copy_own_state(layer, own)


def copy_own_state(source: keras.layers.Layer, twin: keras.layers.Layer) -> None:
    """The same of the weights that a layer holds itself, not those of layers within it."""
    twin.load_own_variables(_saved(source))


def derive_state(network: keras.layers.Layer) -> None:
    """Let the layers of a network derive anew what they derive from their weights."""
    for layer in network._flatten_layers():
        if type(layer).load_own_variables is not keras.layers.Layer.load_own_variables:
            layer.load_own_variables(_saved(layer))


def hash_of(weights: Iterable[np.ndarray]) -> str:
    """The SHA-256 of arrays, their shapes and types, in hexadecimal."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(f"{weight.shape} {weight.dtype}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _saved(layer: keras.layers.Layer) -> dict[str, Any]:
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    return store
