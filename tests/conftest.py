"""Fixtures of every test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def data_dir():
    """A TFDS folder with the genuine datasets, named by KERAS_CCL_DATA_DIR."""
    folder = os.environ.get("KERAS_CCL_DATA_DIR")
    if not folder:
        pytest.skip("KERAS_CCL_DATA_DIR names no TFDS folder")
    return folder
