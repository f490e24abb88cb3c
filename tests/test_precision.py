"""Mixed precision: networks in 16 bits, likelihoods, divergences and weights in 32."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of
from interrupted import Stop

import keras_ccl as ccl
from keras_ccl.bounds import divergences

POLICIES = ["mixed_bfloat16", "mixed_float16"]
TASKS = [ccl.Task(rows(40, seed=k), test=rows(20, seed=k)) for k in range(2)]


BFLOAT16, FLOAT16 = POLICIES
one = functools.partial(pytest.mark.parametrize, "policy", indirect=True)


@pytest.fixture(params=POLICIES)
def policy(request):
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy("float32")


@functools.cache
def losses_in_float32(cls, eagerly):
    keras.mixed_precision.set_global_policy("float32")
    history = tiny(cls).fit_tasks(TASKS, epochs=2, batch_size=20, verbose=0)
    return [record["loss"] for record in history.epochs]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "policy"),
    [
        (ccl.JointVAE, FLOAT16),
        pytest.param(ccl.CCLGM, BFLOAT16, marks=pytest.mark.graph),
        pytest.param(ccl.CCLGM, FLOAT16, marks=(pytest.mark.graph, pytest.mark.release)),
        pytest.param(ccl.EWC, FLOAT16, marks=pytest.mark.release),
    ],
    indirect=["policy"],
)
def test_a_stream_is_learnt_near_to_float32(cls, policy):
    model = tiny(cls)
    assert model.encoder.compute_dtype in policy
    history = model.fit_tasks(TASKS, epochs=2, batch_size=20, verbose=0)
    found = [record["loss"] for record in history.epochs]
    expected = losses_in_float32(cls, tf.config.functions_run_eagerly())
    np.testing.assert_allclose(found, expected, rtol=0.05)
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}


def test_distributions_are_float32(policy):
    model = tiny()
    found = model.infer(tf.constant(rows(4)[0]), (1, 2), training=True)
    kl = divergences.kl_divergence(found.q, found.q)
    label = found.p_y.log_prob(tf.one_hot([0, 1, 2, 0], 3))
    pixels = found.p_x.log_prob(rows(4)[0])
    assert {kl.dtype, label.dtype, pixels.dtype, found.z.dtype} == {tf.float32}


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("black", FLOAT16), ("white", FLOAT16), ("one pixel", FLOAT16), ("one pixel", BFLOAT16)],
    indirect=["policy"],
)
def test_extreme_inputs_have_finite_losses(kind, policy):
    x = {"black": np.zeros((4, 6)), "white": np.ones((4, 6)), "one pixel": np.eye(6)[:4]}[kind]
    model = tiny()
    history = model.fit_tasks([(x, np.array([0, 1, 2, 0]))] * 2, epochs=2, verbose=0)
    assert np.isfinite([record["loss"] for record in history.epochs]).all()
    assert all(np.isfinite(weight).all() for weight in weights_of(model))


@pytest.mark.release
@one([FLOAT16])  # whose optimizer has the scale of the loss among its state
def test_a_run_in_mixed_precision_resumes(policy, tmp_path):
    options = {"epochs": 2, "batch_size": 20, "verbose": 0}
    whole = tiny()
    whole.fit_tasks(TASKS, **options)
    with pytest.raises(KeyboardInterrupt):
        tiny().fit_tasks(TASKS, checkpoint_dir=tmp_path, callbacks=[Stop(3)], **options)
    resumed = tiny()
    resumed.fit_tasks(TASKS, checkpoint_dir=tmp_path, **options)
    assert same_weights(weights_of(whole), weights_of(resumed))


@pytest.mark.slow
@one([BFLOAT16])  # the coarser
def test_the_exported_student_computes_in_float32(policy, tmp_path):
    model = tiny()
    model.fit_tasks(TASKS, epochs=1, verbose=0)
    about = ccl.export_student(model, tmp_path / "out", formats=("onnx", "saved_model", "litert"))
    assert {record["weights"] for record in about["artefacts"].values()} == {"float32"}
    assert json.loads((tmp_path / "out" / "model.json").read_text())["method"] == "CCLGM"
    twin = model.in_float32()
    assert twin.encoder.compute_dtype == "float32" and twin.in_float32() is twin
    x = rows(10)[0]
    np.testing.assert_allclose(twin.predict(x, verbose=0), model.predict(x, verbose=0), atol=0.02)
