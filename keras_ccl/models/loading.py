"""load_model: loads a saved model from a file that may come from an untrusted source."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import keras

from keras_ccl.data.untrusted_files import MOST_BYTES, as_value_error, check_archive
from keras_ccl.models.joint_vae import JointVAE

NOT_SIZES = ("seed", "shared_object_id")


def load_model(path: str | os.PathLike, *, most_bytes: int = MOST_BYTES) -> JointVAE:
    """Load a model that was saved with `model.save("name.keras")`, even from an untrusted source.

    This calls `keras.saving.load_model` in safe mode after some checks: nothing in the file is
    executed, and a file that is truncated, damaged, too large or of another kind raises a single
    error. Custom layers must be registered with Keras.

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
        _check_sizes(config["config"], stored)
        return keras.saving.load_model(path, safe_mode=True)


def _check_sizes(config: Any, stored: int) -> None:
    """Refuse sizes larger than the stored weights, before any memory is allocated for them.

    Args:
        config: The configuration of the model, nested dicts and lists.
        stored: The size of the stored weights, in bytes.

    Raises:
        ValueError: If a number in the configuration is larger than `stored`.
    """
    for key, value in config.items() if isinstance(config, dict) else enumerate(config):
        if isinstance(value, dict | list):
            _check_sizes(value, stored)
        elif isinstance(value, int) and key not in NOT_SIZES and abs(value) > stored:
            raise ValueError(f"{key} {value}, more than its {stored} bytes of weights")
