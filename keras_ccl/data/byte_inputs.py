"""Images of bytes: what uint8 means, wherever x comes in."""

from typing import Any

import numpy as np
import tensorflow as tf

SAID_OF_BYTES = "x is uint8: divided by 255, here and wherever x comes in"
"""What a user who trains on them is told, in one line."""


def is_bytes(dtype: Any, unit_range: bool) -> bool:
    """Return whether inputs stand for [0, 1] as 0 to 255: uint8 for a Bernoulli likelihood.

    Args:
        dtype: Their type, of NumPy or TensorFlow.
        unit_range: Whether the model expects [0, 1].
    """
    return unit_range and dtype == np.uint8


def as_floats(x: Any, unit_range: bool) -> Any:
    """Convert inputs to float32; bytes are divided by 255.

    Args:
        x: A tensor, or what NumPy makes an array of.
        unit_range: Whether the model expects [0, 1].

    Returns:
        A tensor of a tensor, otherwise an array.
    """
    x = x if tf.is_tensor(x) else np.asarray(x)
    floats = tf.cast(x, tf.float32) if tf.is_tensor(x) else x.astype(np.float32, copy=False)
    return floats / np.float32(255) if is_bytes(x.dtype, unit_range) else floats


def check_not_black_and_white(brightest: int, where: str) -> None:
    """Refuse bytes that are all 0 or 1: divided by 255, they would be all but black.

    Args:
        brightest: The largest of them.
        where: Where the data come from, for the error.

    Raises:
        ValueError: If it is 1.
    """
    if brightest == 1:
        raise ValueError(
            f"{where}: x is uint8, which is divided by 255; expected values up to 255, received "
            "0 and 1 alone; pass those as bool or float32"
        )
