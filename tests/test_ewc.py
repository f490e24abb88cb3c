"""EWC: the Fisher information against closed forms, and its limits against vae-cl."""

import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.bounds import objectives
from keras_ccl.data.ready_tasks import CheckedTask
from keras_ccl.methods.fisher import diagonal_fisher, squared_gradient_sums

X, Y = rows(60)


def test_the_fisher_of_a_logistic_model_is_the_analytic_one():
    """Gradient of -log p(y|x) is (p - y) x; its mean square is the empirical Fisher diagonal."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(77, 4)).astype("float32")  # not a multiple of a chunk
    y = rng.integers(0, 2, 77).astype("float32")
    weight, bias = tf.Variable(rng.normal(size=4).astype("float32")), tf.Variable(0.3)

    def loss(row):
        logit = tf.tensordot(row[0], weight, 1) + bias
        return tf.nn.sigmoid_cross_entropy_with_logits(row[1], logit)

    residual = 1 / (1 + np.exp(-(x @ weight.numpy() + 0.3))) - y
    found = diagonal_fisher(squared_gradient_sums(loss, [weight, bias]), (x, y))
    np.testing.assert_allclose(found[0], np.mean((residual[:, None] * x) ** 2, 0), rtol=1e-4)
    np.testing.assert_allclose(found[1], np.mean(residual**2), rtol=1e-4)


@pytest.mark.parametrize("architecture", slow_but(ccl.networks.ARCHITECTURES, ("dense",)))
def test_the_fisher_of_a_model_is_that_of_one_row_at_a_time(architecture):
    x, y = rows(5, (4, 4, 1))
    model = ccl.EWC((4, 4, 1), 3, latent_dim=2, architecture=architecture, seed=0)
    task = CheckedTask(ccl.Task((x, y)), 1, model.data_spec).ready()
    found = model.method.fisher_information(model, task)
    chosen = np.random.default_rng(1).permutation(5)  # as the split draws them
    expected = [0.0] * len(found)
    for index, k in enumerate(chosen):
        with tf.GradientTape() as tape:
            row = (tf.constant(x[k]), tf.constant(y[k]), tf.constant([index, 1]))
            loss = model.method.loss_of_row(model, row)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        expected = [e + np.square(g) / 5 for e, g in zip(expected, gradients, strict=True)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.max(other) + 1e-8)


@pytest.mark.graph
def test_the_fisher_information_is_not_traced_anew_for_each_task():
    traced = []

    class Counting(ccl.methods.ElasticWeightConsolidation):
        def loss_of_row(self, model, row):
            traced.append(1)
            return super().loss_of_row(model, row)

    model = tiny(ccl.JointVAE, method=Counting())
    counts = []
    for k, n in enumerate((40, 33, 7, 64)):  # whole chunks of rows, and others
        task = CheckedTask(ccl.Task(rows(n, seed=k)), k + 1, model.data_spec).ready()
        model.method.fisher_information(model, task)
        counts.append(len(traced))
    assert counts[0] == counts[-1]


def test_the_penalty_by_hand():
    penalty = objectives.quadratic_penalty(
        [tf.constant([1.0, 2.0]), tf.constant(3.0)],
        [tf.constant([0.0, 4.0]), tf.constant(3.0)],
        [tf.constant([2.0, 0.5]), tf.constant(9.0)],
    )
    assert float(penalty) == pytest.approx(0.5 * (2 * 1 + 0.5 * 4))


@pytest.mark.slow
def test_with_weight_0_it_is_vae_cl_bit_for_bit():
    tasks = [rows(12, seed=k) for k in range(2)]
    models = tiny(ccl.EWC, penalty_weight=0.0), tiny(ccl.JointVAE)
    for model in models:
        model.fit_tasks(tasks, epochs=2, batch_size=6, verbose=0)
    for part in ("encoder", "decoder", "classifier", "p_z"):
        assert same_weights(*(weights_of(getattr(model, part)) for model in models))


@pytest.mark.parametrize(("architecture", "weight"), [("dense", 30.0), ("convolutional", 1.0)])
def test_the_penalty_weighs_by_architecture_where_none_is_given(architecture, weight):
    options = {"latent_dim": 2, "architecture": architecture}
    model = ccl.EWC((4, 4, 1), 3, **options)
    assert model.penalty_weight == model.term_weights()["penalty"] == weight
    assert ccl.EWC.from_config(model.get_config()).penalty_weight == weight
    assert ccl.EWC((4, 4, 1), 3, penalty_weight=0.0, **options).penalty_weight == 0.0


@pytest.mark.slow
def test_fisher_information_adds_up_over_tasks_and_the_anchor_is_the_latest_student():
    model, options = tiny(ccl.EWC), {"epochs": 1, "batch_size": 12, "verbose": 0}
    model.fit_tasks([rows(12, seed=1)], **options)
    first = [np.array(f) for f in model.fisher]
    assert all((f >= 0).all() for f in first) and any((f > 0).any() for f in first)
    model.fit_tasks([rows(12, seed=2)], **options)
    for before, after in zip(first, model.fisher, strict=True):
        assert (np.array(after) >= before).all()
    assert same_weights(
        [np.array(a) for a in model.anchor], [np.array(v) for v in model.trainable_variables]
    )


@pytest.mark.release
def test_a_large_weight_holds_the_student_where_it_was():
    moved = []
    for weight in (0.0, 1e4):
        model = tiny(ccl.EWC, penalty_weight=weight)
        model.fit_tasks([rows(60, seed=1)], epochs=3, verbose=0)
        importance = np.concatenate([np.ravel(f) for f in model.fisher])
        anchor = np.concatenate([np.ravel(a) for a in model.anchor])
        model.fit(1 - X, Y, epochs=3, batch_size=20, verbose=0)
        there = np.concatenate([np.ravel(v) for v in model.trainable_variables])
        moved.append(np.sum(importance * np.square(there - anchor)))
    assert moved[1] < 0.05 * moved[0]


@pytest.mark.slow
def test_the_logged_penalty_is_in_the_loss():
    model = tiny(ccl.EWC, penalty_weight=3.0)
    tasks = [rows(16, seed=1), rows(16, seed=2)]
    history = model.fit_tasks(tasks, epochs=2, batch_size=8, verbose=0)
    first, second = history.epochs
    assert first["penalty"] == [0.0, 0.0] and second["penalty"][-1] > 0
    weights = model.term_weights()
    total = sum(weights[name] * np.array(second[name]) for name in weights)
    np.testing.assert_allclose(second["loss"], total, rtol=1e-4)
