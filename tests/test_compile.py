"""`compile`: metrics and layers' losses count as Keras says, a loss of one's own is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, tiny, tiny_networks
from plain_noise import plain_noise

import keras_ccl as ccl

X, Y = rows(40)


@keras.saving.register_keras_serializable(package="tests")
def brier(y_true, y_pred):
    return keras.ops.sum(keras.ops.square(y_true - y_pred), -1)


def test_metrics_compare_labels_with_the_probabilities_of_predict():
    metrics = keras.metrics
    model = tiny()
    model.compile(
        "adam",
        metrics=["accuracy", "sparse_categorical_accuracy", metrics.AUC(), brier],
        weighted_metrics=[metrics.SparseTopKCategoricalAccuracy(2, name="top_2"), "mse"],
    )
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    p, y = model.predict(X, verbose=0), np.eye(3, dtype="float32")[Y]
    area = metrics.AUC()
    area.update_state(y, p)
    expected = {
        "accuracy": (p.argmax(1) == Y).mean(),
        "sparse_categorical_accuracy": (p.argmax(1) == Y).mean(),
        "auc": float(area.result()),
        "brier": np.square(y - p).sum(1).mean(),
        "top_2": (np.argsort(p, 1)[:, -2:] == Y[:, np.newaxis]).any(1).mean(),
        "mse": np.square(y - p).mean(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


@pytest.mark.slow
def test_metrics_are_logged_by_fit_tasks_and_saved_with_the_model(tmp_path):
    model = tiny()
    model.compile("adam", metrics=["acc", keras.metrics.F1Score(average="macro")])
    tasks = [rows(30, seed=k) for k in range(2)]
    history = model.fit_tasks(tasks, epochs=1, batch_size=30, validation_split=0.2, verbose=0)
    for record in history.epochs:
        assert record["acc"] == record["accuracy"]  # of the rows of the task, not generated ones
        assert {"val_acc", "f1_score", "val_f1_score"} <= set(record)
    model.save(tmp_path / "model.keras")
    loaded = ccl.load_model(tmp_path / "model.keras")
    assert loaded.metrics_names == model.metrics_names
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    assert float(loaded.optimizer.iterations) == float(model.optimizer.iterations) > 0


@pytest.mark.parametrize(
    ("compiled", "message"),
    [
        ({"loss": "mse"}, "loss: expected none, since the loss is the joint bound"),
        ({"loss_weights": [1.0]}, "loss_weights: expected none"),
        ({"metrics": [keras.metrics.Mean(name="kl")]}, "metrics: 'kl' is the name of something"),
        ({"metrics": [keras.metrics.F1Score()]}, r"metrics: expected metrics that are one number"),
        ({"weighted_metrics": [keras.metrics.Recall(class_id=7)]}, "weighted_metrics: 'recall' do"),
        ({"metrics": ["misspelt"]}, "Could not interpret metric identifier: misspelt"),
    ],
)
def test_what_cannot_be_compiled_is_refused(compiled, message):
    model = tiny()
    with pytest.raises(ValueError, match=message):
        model.compile("adam", **compiled)
    assert not model.compiled


@keras.saving.register_keras_serializable(package="tests")
class Costly(keras.layers.Layer):
    """Adds a constant to the loss, in training alone."""

    def call(self, x, training=False):
        if training:
            self.add_loss(keras.ops.convert_to_tensor(7.0))
        return x


def regularized_networks():
    """With 0.5 sum(w^2) of a kernel, 0.1 sum|h| / B of an output, and 7."""
    layers = keras.layers
    encoder = keras.Sequential(
        [layers.Input((6,)), layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.5))]
    )
    classifier = keras.Sequential(
        [layers.Input((2,)), layers.Dense(3, activity_regularizer=keras.regularizers.L1(0.1))]
    )
    decoder = keras.Sequential([layers.Input((2,)), Costly(), layers.Dense(6)])
    return {"encoder": encoder, "decoder": decoder, "classifier": classifier}


@pytest.mark.graph
def test_regularisers_and_losses_of_layers_are_a_term_of_the_loss():
    model = tiny(ccl.CCLGM, **regularized_networks())
    model.compile(keras.optimizers.SGD(0.0))
    model.tasks_seen.assign(1)  # there is a teacher, which adds nothing
    logs = model.train_on_batch(X, Y % 2, return_dict=True)
    kernel = 0.5 * np.square(model.encoder.layers[0].kernel).sum()
    of_outputs = logs["regularization"] - kernel - 7
    assert 0 < of_outputs < 0.1 * 3 * 2  # 3 outputs a row, each below 2
    weights = model.term_weights()
    assert logs["loss"] == pytest.approx(sum(weights[k] * logs[k] for k in weights), rel=1e-5)
    found = model.evaluate(X, Y, batch_size=40, verbose=0, return_dict=True)
    z = model.infer(tf.constant(X), (0, 1)).z
    of_outputs = 0.1 * np.abs(model.classifier(z)).sum() / 40
    assert found["regularization"] == pytest.approx(kernel + of_outputs, rel=1e-4)
    assert set(found) == set(model.metrics_names)


@pytest.mark.graph
@pytest.mark.slow
def test_weights_metrics_and_regularisers_compile_with_xla():
    weight, networks, found = np.linspace(0, 2, 40), regularized_networks(), []
    with plain_noise():
        for jit_compile in (False, True):
            model = tiny(**{k: keras.models.clone_model(v) for k, v in networks.items()})
            for slot, network in networks.items():
                getattr(model, slot).set_weights(network.get_weights())
            model.method.end_task(model, None)
            metrics = [keras.metrics.AUC(name="auc"), "sparse_categorical_accuracy"]
            model.compile(keras.optimizers.SGD(0.01), metrics=metrics, jit_compile=jit_compile)
            model.tasks_seen.assign(1)
            found.append(model.train_on_batch(X, Y % 2, weight, return_dict=True))
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-5)


def test_the_gradient_of_a_regulariser_reaches_the_weights():
    with_it = tiny(ccl.JointVAE, **regularized_networks())
    without = tiny(ccl.JointVAE, **regularized_networks())
    start = np.array(with_it.encoder.layers[0].kernel)
    without.encoder.layers[0].kernel.regularizer = None
    without.set_weights(with_it.get_weights())
    for model in (with_it, without):
        model.compile(keras.optimizers.SGD(0.01))
        model.train_on_batch(X, Y)
    moved, expected = (np.array(m.encoder.layers[0].kernel) for m in (with_it, without))
    np.testing.assert_allclose(moved, expected - 0.01 * start, atol=1e-6)


def test_networks_without_such_layers_log_no_such_term():
    model = tiny(**tiny_networks())
    assert "regularization" not in model.term_weights()
