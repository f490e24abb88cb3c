"""What XLA compiles, as Keras does by itself where there is a GPU, agrees with the plain step."""

import contextlib
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, slow_but, tiny
from plain_noise import plain_noise

import keras_ccl as ccl

pytestmark = pytest.mark.graph
NO_PARTS = dict.fromkeys(("encoder", "decoder", "classifier"))


def with_method(method):
    return lambda *shape, **options: ccl.JointVAE(*shape, method=method(), **options)


def printed(*shape, **options):
    options.pop("prior_components")
    return ccl.CCLGM.paper(*shape, **options)


METHODS = {
    "CCLGM": ccl.CCLGM,
    "CCLGM.paper": printed,
    "EWC": ccl.EWC,
    "JointVAE": ccl.JointVAE,
    "SI": with_method(ccl.methods.SynapticIntelligence),
    "LwF": with_method(ccl.methods.LearningWithoutForgetting),
}
CASES = {
    "mixed": {"replay": "mixed"},
    "information, Gaussian, means": {
        "information_weight": 0.1,
        "likelihood": "gaussian",
        "replay_inputs": "mean",
        "replay_labels": "hard",
    },
    "convolutional": {"architecture": "convolutional", "input_shape": (8, 8, 1), **NO_PARTS},
    "mixed precision": {"dtype": "mixed_bfloat16"},
}


@contextlib.contextmanager
def policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def after_one_step(make, *, jit_compile, dtype="float32", input_shape=(6,), **options):
    """Logs and weights after a step of a second task that lacks a class."""
    with policy(dtype):
        model = tiny(make, input_shape, **options)
    model.compile(keras.optimizers.SGD(1e-4))  # Adam would make any rounding a step of full size
    model.optimizer.build(model.trainable_variables)
    model.tasks_seen.assign(1)
    model.make_train_function()
    x, y = rows(16, input_shape)
    step = tf.function(lambda *data: model.train_step(data), jit_compile=jit_compile)
    logs = step(tf.constant(x), tf.constant(1 + y % 2))
    return logs, model.get_weights()


def assert_agreement(make, rtol=1e-4, atol=1e-5, **options):
    with plain_noise():
        plain, compiled = (after_one_step(make, jit_compile=c, **options) for c in (False, True))
    assert plain[0].keys() == compiled[0].keys()
    for name in plain[0]:
        np.testing.assert_allclose(compiled[0][name], plain[0][name], rtol, 1e-4, err_msg=name)
    for expected, found in zip(plain[1], compiled[1], strict=True):
        np.testing.assert_allclose(found, expected, rtol, atol)


@pytest.mark.parametrize("method", slow_but(METHODS, ("JointVAE",), ("CCLGM",)))
def test_a_compiled_step_is_the_step_for_every_method(method):
    assert_agreement(METHODS[method])


@pytest.mark.parametrize("case", slow_but(CASES, (), list(CASES)[:1]))
def test_a_compiled_step_is_the_step_for_every_option(case):
    rounding = {"rtol": 2e-2, "atol": 1e-4} if case == "mixed precision" else {}
    assert_agreement(ccl.CCLGM, **rounding, **CASES[case])


def with_a_gpu(kind=None):
    """What TensorFlow lists on a machine with one GPU."""
    found = [SimpleNamespace(device_type=each, name=each) for each in ("CPU", "GPU")]
    return [device for device in found if kind in (None, device.device_type)]


@pytest.mark.slow
def test_the_default_fit_works_where_keras_compiles_by_itself():
    with mock.patch.object(tf.config, "list_physical_devices", with_a_gpu):
        model = tiny()
        model.compile("sgd")
        assert model.jit_compile is True  # as on a GPU, without being asked
    x, y = rows(20)
    history = model.fit_tasks([(x, y % 2), (x, 1 + y % 2)], epochs=1, batch_size=20, verbose=0)
    assert len(history) == 2 and model.jit_compile is True
    assert all(np.isfinite(record["loss"][0]) for record in history.epochs)


@pytest.mark.release
@pytest.mark.parametrize("make", [ccl.CCLGM, ccl.EWC])
def test_compiled_models_learn_streams_of_mnist(make):
    mnist = ccl.datasets.load("mnist")
    few = ccl.Task(tuple(part[:600] for part in mnist.train))
    model = make((28, 28, 1), 10, seed=0)
    model.compile("adam", jit_compile=True)
    options = {"epochs": 3, "batch_size": 50, "verbose": 0}
    model.fit_tasks(ccl.streams.permuted(few, tasks=2), **options)
    record = model.fit_tasks(ccl.streams.split(few)[:2], **options)
    assert model.tasks_seen.numpy() == 4
    for task in record.epochs:
        assert task["loss"][-1] < task["loss"][0]
    assert record.epochs[1]["accuracy"][-1] > 0.8  # on the two classes of the last task
