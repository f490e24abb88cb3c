"""load_model: a saved model back from a file that somebody else may have written."""

import json
import zipfile
from pathlib import Path

import keras

from keras_ccl.data.untrusted_files import MOST_BYTES, as_value_error, check_archive

NOT_SIZES = ("seed", "shared_object_id")


def load_model(path, *, most_bytes=MOST_BYTES):
    """Load a model saved with `model.save("name.keras")`, from anywhere.

    What `keras.saving.load_model` does in safe mode, behind checks: a file that is truncated,
    damaged, too large or of another kind gives one error, and nothing in it is executed. A model
    with layers of your own needs them registered with Keras.

    Args:
        path: of the .keras file; most_bytes: what it may unpack to, and so its weights.

    Returns:
        a `JointVAE`, `CCLGM` or `EWC` that goes on where it was.

    Raises:
        ValueError: telling what is wrong with the file.
        FileNotFoundError: if it is not there.
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


def _check_sizes(config, stored):
    """Refuse sizes that the weights in the file are too few for, before memory is asked for."""
    for key, value in config.items() if isinstance(config, dict) else enumerate(config):
        if isinstance(value, dict | list):
            _check_sizes(value, stored)
        elif isinstance(value, int) and key not in NOT_SIZES and abs(value) > stored:
            raise ValueError(f"{key} {value}, more than its {stored} bytes of weights")
