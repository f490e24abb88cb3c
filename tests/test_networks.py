"""Networks: shapes of the slots, sizes as arguments, and what does not fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, tiny, tiny_networks

import keras_ccl as ccl
from keras_ccl.models import networks


@pytest.mark.parametrize("architecture", networks.ARCHITECTURES)
@pytest.mark.parametrize("input_shape", [(28, 28, 1), (9, 13, 3)])
def test_default_networks_fit_the_slots(architecture, input_shape):
    model = ccl.JointVAE(input_shape, 4, latent_dim=5, architecture=architecture)
    x, _ = rows(2, input_shape)
    assert model.encoder(x).shape == (2, 10)
    assert model.decoder(np.zeros((2, 5), "float32")).shape == (2, *input_shape)
    assert model.classifier(np.zeros((2, 5), "float32")).shape == (2, 4)


def test_sizes_are_arguments():
    encoder = networks.dense_encoder((6,), 2, units=(7, 5))
    assert [w.shape for w in encoder.get_weights()][::2] == [(6, 7), (7, 5), (5, 4)]
    conv = networks.conv_encoder((8, 8, 1), 2, filters=(16,))
    kernels = [w.shape for w in conv.get_weights() if w.ndim == 4]
    assert kernels == [(3, 3, 1, 16)] * 2  # a convolution and its gate


def test_a_gate_closes_a_convolution():
    encoder = networks.conv_encoder((4, 4, 1), 2, filters=(8,))
    gates = [layer for layer in encoder.layers if "conv2d" in layer.name and layer.bias is not None]
    gates[1].bias.assign(np.full(8, -100.0))  # sigmoid(-100) is 0: nothing passes
    first, second = (encoder(rows(1, (4, 4, 1), seed=s)[0]) for s in (1, 2))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_convolutions_need_images():
    with pytest.raises(ValueError, match=r"\(height, width, channels\), received \(6,\)"):
        ccl.JointVAE((6,), 3, architecture="convolutional")


def test_the_same_seed_gives_the_same_weights():
    first, again, other = (networks.dense_encoder((6,), 2, seed=s) for s in (1, 1, 2))
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


@pytest.mark.parametrize(
    ("slot", "network", "message"),
    [
        ("encoder", networks.dense_encoder((6,), 3, units=()), r"expected one output of shape "
         r"\(None, 4\) for inputs of shape \(None, 6\), received \(None, 6\)"),
        ("decoder", networks.dense_decoder((5,), 2, units=()), r"received \(None, 5\)"),
        ("classifier", networks.dense_classifier(4, 2, units=()), r"received \(None, 4\)"),
        ("encoder", networks.dense_encoder((7,), 2, units=()), "does not accept inputs of shape"),
    ],
)  # fmt: skip
def test_a_network_that_does_not_fit_is_named(slot, network, message):
    with pytest.raises(ValueError, match=f"{slot}: .*{message}"):
        tiny(**{slot: network})


def test_a_users_own_models_serve_as_student_and_teacher():
    given = tiny_networks()
    encoder = keras.Sequential([keras.layers.Dense(9, "tanh"), keras.layers.Dense(4)])
    model = ccl.CCLGM((6,), 3, latent_dim=2, prior_components=2, **{**given, "encoder": encoder})
    assert model.encoder is encoder and model.teacher.encoder is not encoder
    model.fit_tasks([rows(seed=1), rows(seed=2)], epochs=1, verbose=0)
    for mine, teachers in zip(encoder.weights, model.teacher.encoder.weights, strict=True):
        np.testing.assert_array_equal(mine, teachers)


def test_an_own_encoder_alone_is_completed_by_defaults():
    model = ccl.JointVAE((6,), 3, latent_dim=2, encoder=tiny_networks()["encoder"])
    assert model.predict(rows(4)[0], verbose=0).shape == (4, 3)


@pytest.mark.parametrize("shape", [12, "12", (None, 12), (0,), (-1, 4), (1.5, 4)])
def test_a_shape_of_inputs_that_is_none_is_refused(shape):
    with pytest.raises(ValueError, match=r"input_shape: expected the sizes .* received "):
        ccl.CCLGM(shape, 3)


@pytest.mark.parametrize("shape", [[6], (np.int64(6),), tf.TensorShape((6,))])
def test_a_shape_of_inputs_is_kept_as_integers(shape):
    model = ccl.CCLGM(shape, 3, latent_dim=2, **tiny_networks())
    assert model.input_shape == (6,) and type(model.input_shape[0]) is int


@pytest.mark.parametrize("network", [keras.layers.Dense(4), "dense", lambda x: x])
def test_what_is_no_keras_model_is_refused(network):
    with pytest.raises(ValueError, match=r"encoder: expected a keras\.Model, received"):
        tiny(encoder=network)
