"""Fixtures of every test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

# Two CPU devices, for the tests of several replicas; everything else runs on the first.
(_cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(_cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Op by op, unless a test is marked `graph`: tracing costs more than a few steps save."""
    tf.config.run_functions_eagerly(item.get_closest_marker("graph") is None)


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def strategy():
    """Two replicas. A second strategy in a process would number its collectives like the first."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture
def data_dir():
    """A TFDS folder with the genuine datasets, named by KERAS_CCL_DATA_DIR."""
    folder = os.environ.get("KERAS_CCL_DATA_DIR")
    if not folder:
        pytest.skip("KERAS_CCL_DATA_DIR names no TFDS folder")
    return folder
