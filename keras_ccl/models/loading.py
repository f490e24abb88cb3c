"""load_model: loads a saved model from a file that may come from an untrusted source."""

import contextlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_ccl.data.untrusted_files import MOST_BYTES, as_value_error, check_archive
from keras_ccl.models import networks
from keras_ccl.models.joint_vae import JointVAE

NOT_SIZES = ("seed", "shared_object_id")
"""Whole numbers of a configuration that may be of any size."""

NAMES = ("class_names", "known_classes")
"""Names of classes, which may be whole numbers of any size too."""

MOST_PER_STORED_BYTE, SPARE_BYTES = 8, 2**20
"""How much memory a model may take: an optimizer not stored yet has several numbers per weight."""


def load_model(path: str | os.PathLike, *, most_bytes: int = MOST_BYTES) -> JointVAE:
    """Load a model that was saved with `model.save("name.keras")`, even from an untrusted source.

    This calls `keras.saving.load_model` in safe mode after some checks: nothing in the file is
    executed, and a file that is truncated, damaged, too large or of another kind raises a single
    error. Custom layers must be registered with Keras. A model takes at most a few times the memory
    of the weights in its file.

    Args:
        path: The .keras file.
        most_bytes: The largest unpacked size allowed, which limits the size of the weights.

    Returns:
        The model, a `JointVAE`, `CCLGM` or `EWC`, ready to learn the next task.

    Raises:
        ValueError: If the file is not a model saved by keras_ccl; the error says why.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with as_value_error(path, "a model saved by keras_ccl"):
        check_archive(path, most_bytes)
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            stored = archive.getinfo("model.weights.h5").file_size
        if not str(config["registered_name"]).startswith("keras_ccl>"):
            raise ValueError(f"a {config['class_name']}")
        _check_config(config, stored)
        try:
            with _memory_within(MOST_PER_STORED_BYTE * stored + SPARE_BYTES, stored):
                return keras.saving.load_model(path, safe_mode=True)
        except TypeError as error:
            raise ValueError(networks.cause(error)) from error


def _check_config(config: Any, stored: int) -> None:
    """Refuse code, and sizes larger than the stored weights, before anything is made of them.

    Args:
        config: The configuration of the model, nested dicts and lists.
        stored: The size of the stored weights, in bytes.

    Raises:
        ValueError: If there is a `Lambda` layer, or a number larger than `stored`.
    """
    for key, value in config.items() if isinstance(config, dict) else enumerate(config):
        if key in NAMES and isinstance(value, list):
            if not all(isinstance(name, int | str) for name in value):
                raise ValueError(f"{key} that are not names of classes")
        elif isinstance(value, dict | list):
            _check_config(value, stored)
        elif value == "__lambda__":
            raise ValueError(
                "a Lambda layer, whose code is not run; for a file that you trust there is "
                "keras.saving.load_model(path, safe_mode=False)"
            )
        elif isinstance(value, int) and key not in NOT_SIZES and abs(value) > stored:
            raise ValueError(f"{key} {value}, more than its {stored} bytes of weights")


@contextlib.contextmanager
def _memory_within(most: int, stored: int) -> Iterator[None]:
    """Refuse variables that together take more than `most` bytes, before they are allocated.

    Args:
        most: The limit.
        stored: The size of the stored weights, in bytes, for the error.

    Yields:
        Nothing; the model is made inside the context.

    Raises:
        ValueError: If they take more.
    """
    taken = 0

    def counted(create: Callable, **options: Any) -> tf.Variable:
        nonlocal taken
        value = options["initial_value"]
        if callable(value):  # traced, it tells its shape and computes nothing
            value = tf.function(value, autograph=False).get_concrete_function().outputs[0]
        value = tf.convert_to_tensor(value) if not tf.is_tensor(value) else value
        taken += value.shape.num_elements() * value.dtype.size
        if taken > most:
            raise ValueError(f"a model of over {taken} bytes, with {stored} bytes of weights")
        return create(**options)

    with tf.variable_creator_scope(counted):
        yield
