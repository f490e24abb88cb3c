"""Losses that are not finite, and inputs at the edge of what is allowed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.bounds import distributions, objectives
from keras_ccl.bounds.likelihoods import Bernoulli


class Explode(keras.callbacks.Callback):
    """Makes a weight infinite at the begin of an epoch of a task."""

    def __init__(self, part, task, epoch):
        super().__init__()
        self.part, self.task, self.at = part, task, epoch
        self.before = None

    def on_epoch_begin(self, epoch, logs=None):
        if int(self.model.tasks_seen) == self.task - 1 and epoch == self.at - 1:
            self.before = weights_of(self.model)
            weight = getattr(self.model, self.part).trainable_weights[0]
            weight.assign(weight * np.inf)


@pytest.mark.parametrize(
    ("part", "term"),
    [
        ("decoder", "reconstruction"),
        pytest.param("classifier", "classification", marks=pytest.mark.slow),
    ],
)
def test_a_loss_that_is_not_finite_names_task_epoch_and_term_and_loses_one_epoch(part, term):
    model, explode = tiny(), Explode(part, task=2, epoch=3)
    with pytest.raises(FloatingPointError, match=f"task 2, epoch 3, step 1: .* not finite: {term}"):
        tasks, options = [rows(seed=1), rows(seed=2)], {"epochs": 4, "batch_size": 40}
        model.fit_tasks(tasks, callbacks=[explode], verbose=0, **options)
    assert same_weights(explode.before, weights_of(model))
    assert int(model.tasks_seen) == 1


def test_a_learning_rate_beyond_reason_leaves_the_model_as_it_was():
    model = tiny()
    model.compile(keras.optimizers.SGD(1e38))
    before = [np.array(v) for v in model.trainable_variables]
    with pytest.raises(FloatingPointError, match="task 1, epoch 1"):
        model.fit_tasks([rows()], epochs=2, batch_size=8, verbose=0)
    assert same_weights(before, [np.array(v) for v in model.trainable_variables])
    assert float(model.optimizer.learning_rate) == pytest.approx(1e38)


@pytest.mark.parametrize("kind", ["black", "white", "one pixel"])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_extreme_inputs_have_finite_bounds_and_gradients(kind, likelihood):
    x = {"black": np.zeros((4, 6)), "white": np.ones((4, 6)), "one pixel": np.eye(6)[:4]}[kind]
    model = tiny(ccl.JointVAE, likelihood=likelihood)
    y = tf.one_hot([0, 1, 2, 0], 3)
    with tf.GradientTape() as tape:
        found = model.infer(tf.constant(x, tf.float32), (1, 2))
        terms = objectives.joint_terms(
            x=tf.constant(x, tf.float32),
            y=y,
            q=found.q,
            p_z=distributions.standard_normal(2),
            p_x=found.p_x,
            p_y=found.p_y,
        )
        loss = tf.add_n([tf.reduce_sum(term) for term in terms.values()])
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert np.isfinite(loss) and all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("raw", [-1e4, -50.0, 50.0, 1e4])
def test_log_variances_are_bounded_whatever_the_network_says(raw):
    q = distributions.posterior(tf.constant([[0.0, raw]]))
    scale = float(q.stddev()[0, 0])
    assert np.exp(-6.0) * 0.99 <= scale <= np.exp(6.0) * 1.01
    assert np.isfinite(float(q.kl_divergence(distributions.standard_normal(1))[0]))


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_certain_pixels_and_labels_never_give_log_0(logit):
    p_x = Bernoulli().distribution(tf.constant([[logit]]))
    p_y = distributions.label(tf.constant([[logit, 0.0]]))
    for value in (0.0, 1.0):
        assert np.isfinite(float(p_x.log_prob([[value]])[0]))
        assert np.isfinite(float(p_y.log_prob([[value, 1 - value]])[0]))
