"""Layers with state answer the same after each hand-over: what counts is outputs, not weights."""

import keras
import numpy as np
import pytest
from checks import rows, slow_but, tiny

import keras_ccl as ccl
from keras_ccl.checkpointing.state import capture_state, restore_state
from keras_ccl.models import networks

layers = keras.layers
X, Y = rows(40)


@keras.saving.register_keras_serializable(package="tests")
class Cached(layers.Layer):
    """Computes with a constant that it derives from a weight when it is loaded."""

    def build(self, shape):
        self.factor = self.add_weight(name="factor", initializer="ones", trainable=False)
        self.cached = 1.0

    def set(self, factor):
        self.factor.assign(factor)
        self.cached = float(self.factor)

    def call(self, x):
        return self.cached * x

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.cached = float(self.factor)


def adapted(layer):
    layer.adapt(3 * X + 1)
    return layer


LAYERS = {
    "Normalization within a Pipeline": lambda: layers.Pipeline([adapted(layers.Normalization())]),
    "Normalization of given mean": lambda: layers.Normalization(mean=0.3, variance=2.0),
    "Discretization": lambda: adapted(layers.Discretization(num_bins=4, output_mode="int")),
    "BatchNormalization": layers.BatchNormalization,
    "Dropout": lambda: layers.Dropout(0.4),
    "SpectralNormalization": lambda: layers.SpectralNormalization(layers.Dense(5)),
    "GroupNormalization": lambda: layers.GroupNormalization(2),
    "GRU, both ways": lambda: layers.Bidirectional(layers.GRU(3)),
    "a layer of one's own": Cached,
}


def encoder_with(layer):
    """x [B, 6] -> [B, 4] by way of a layer, as two rows of three where it reads sequences."""
    before = [layers.Reshape((2, 3))] if isinstance(layer, layers.Bidirectional) else []
    return keras.Sequential(
        [layers.Input((6,)), *before, layer, layers.Rescaling(1.0), layers.Dense(4)]
    )


def model_with(layer, **options):
    return tiny(encoder=encoder_with(layer), **options)


def move(model):
    """Change all that learning changes, and the state of the layer."""
    rng = np.random.default_rng(1)
    for variable in model.encoder.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    model.encoder(X, training=True)
    for layer in model.encoder.layers:
        if isinstance(layer, Cached):
            layer.set(5.0)


EACH_TIME = ("Normalization within a Pipeline", "Discretization", "SpectralNormalization")


@pytest.mark.parametrize("name", slow_but(LAYERS, (*EACH_TIME, "a layer of one's own"), []))
def test_it_answers_the_same_after_each_hand_over(name, tmp_path):
    model = model_with(LAYERS[name]())
    move(model)
    expected = np.array(model.encoder(X))
    model.method.end_task(model, None)
    np.testing.assert_array_equal(model.teacher.encoder(X), expected, "the teacher")
    twin = networks.in_float32(model.encoder)
    np.testing.assert_allclose(twin(X), expected, rtol=1e-6, err_msg="in float32")
    model.save(tmp_path / "model.keras")
    loaded = ccl.load_model(tmp_path / "model.keras")
    model.compile("adam")
    fresh = model_with(type(model.encoder.layers[-3]).from_config(
        model.encoder.layers[-3].get_config()
    ))  # fmt: skip
    fresh.compile("adam")
    for one in (model, fresh):
        one.optimizer.build(one.trainable_variables)
    restore_state(fresh, capture_state(model))
    for how, other in (("loaded", loaded), ("resumed", fresh)):
        np.testing.assert_array_equal(other.encoder(X), expected, how)
        np.testing.assert_array_equal(other.teacher.encoder(X), expected, f"{how}, the teacher")


def test_layers_within_others_compute_in_float32_too():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = encoder_with(layers.Bidirectional(layers.GRU(3)))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    twin = networks.in_float32(network)
    assert {layer.compute_dtype for layer in twin._flatten_layers()} == {"float32"}
    np.testing.assert_allclose(twin(X), np.array(network(X), "float32"), atol=0.05)
