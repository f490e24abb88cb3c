"""Export of encoders with other layers: as the model answers, or one error that says why not."""

import keras
import pytest
import tensorflow as tf
from checks import rows, tiny, tiny_networks

import keras_ccl as ccl

L = keras.layers
X, Y = rows(60)


def with_layers(hidden, input_shape=(6,)):
    """A model with an encoder of these layers; BatchNormalization has seen one epoch."""
    networks = tiny_networks(input_shape)
    x = keras.Input(input_shape)
    networks["encoder"] = keras.Model(x, L.Dense(4)(hidden(x)))
    model = tiny(input_shape=input_shape, prior="normal", **networks)
    model.fit_tasks([rows(60, input_shape)], epochs=1, batch_size=60, verbose=0)
    return model


def adapted(input_shape):
    layer = L.Normalization()
    layer.adapt(rows(60, input_shape)[0])
    return layer


def stateful(x):
    hidden = adapted((200,))(L.Rescaling(2.0, -1.0)(x))  # TensorFlow captures over 128 numbers
    hidden = L.Dropout(0.5)(L.BatchNormalization()(L.Dense(6)(hidden)))  # otherwise than few
    return L.GaussianNoise(1.0)(L.Normalization(mean=0.1, variance=0.5)(hidden))


def recurrent(x):
    return L.Bidirectional(L.LSTM(3))(L.Reshape((3, 2))(x))


def unrolled(x):
    return L.Bidirectional(L.GRU(3, unroll=True))(L.Reshape((3, 2))(x))


@pytest.mark.parametrize(
    ("hidden", "input_shape", "formats"),
    [
        pytest.param(stateful, (200,), ("onnx", "litert"), marks=pytest.mark.slow),
        pytest.param(recurrent, (6,), ("onnx",), marks=pytest.mark.slow),
        pytest.param(unrolled, (6,), ("litert",), marks=pytest.mark.slow),
    ],
)
def test_layers_with_state_or_loops_answer_as_the_model(hidden, input_shape, formats, tmp_path):
    model = with_layers(hidden, input_shape)
    about = ccl.export_student(model, tmp_path / "out", formats=formats)
    for key in formats:
        found = about["artefacts"][f"classifier.{key.replace('litert', 'tflite')}"]
        assert found["worst_difference"]["probabilities"] <= 1e-5 and found["labels_equal"] == 1


@keras.saving.register_keras_serializable(package="tests")
class Noisy(L.Layer):
    def call(self, x):
        return x + tf.random.normal(tf.shape(x))


@keras.saving.register_keras_serializable(package="tests")
class ErrorFunction(L.Layer):
    def call(self, x):
        return tf.math.erfc(x)


def erf(x):
    return ErrorFunction()(x)


def noisy(x):
    return Noisy()(x)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hidden", "formats", "message"),
    [
        (erf, "onnx", r"r\.onnx: ONNX opset 18 has no operation Erfc \(layer '\w+/error_function"),
        (erf, "litert", r"r\.tflite: LiteRT has no operation Erfc \(layer '\w+/error_function"),
        (recurrent, "litert", r"TensorListReserve \(layer '\w+/bidirectional.*needs unroll=True"),
        (noisy, "onnx", r"classifier\.onnx: tensor '.*' differs from the Keras model by"),
    ],
)
def test_what_cannot_be_exported_is_named_and_nothing_is_left(hidden, formats, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        ccl.export_student(with_layers(hidden), tmp_path / "out", formats=formats)
    assert not list(tmp_path.iterdir())
