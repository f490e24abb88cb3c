"""The bound and the loss: identities, a bound below the truth, and terms that add up."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, slow_but, tiny

import keras_ccl as ccl
from keras_ccl.bounds import objectives
from keras_ccl.bounds.distributions import label, posterior, standard_normal
from keras_ccl.bounds.likelihoods import Bernoulli, Gaussian
from keras_ccl.models.rows import current_only


def test_joint_terms_by_hand():
    x, y = tf.constant([[1.0, 0.25]]), tf.constant([[0.0, 1.0]])
    terms = objectives.joint_terms(
        x=x,
        y=y,
        q=posterior(tf.zeros([1, 4])),
        p_z=standard_normal(2),
        p_x=Bernoulli().distribution(tf.constant([[0.0, np.log(3.0)]], tf.float32)),
        p_y=label(tf.constant([[0.0, np.log(4.0)]], tf.float32)),
    )
    pixels = np.log(2) - (0.25 * np.log(0.75) + 0.75 * np.log(0.25))
    np.testing.assert_allclose(terms["reconstruction"], [pixels], rtol=1e-5)
    np.testing.assert_allclose(terms["kl"], [0.0], atol=1e-6)
    np.testing.assert_allclose(terms["classification"], [-np.log(0.8)], rtol=1e-5)


def test_gaussian_observation_by_hand():
    p_x = Gaussian(0.5).distribution(tf.constant([[1.0, 2.0]]))
    z = (np.array([1.5, 2.0]) - [1.0, 2.0]) / 0.5
    expected = (-0.5 * z**2 - np.log(0.5) - 0.5 * np.log(2 * np.pi)).sum()
    np.testing.assert_allclose(p_x.log_prob(tf.constant([[1.5, 2.0]])), [expected], rtol=1e-6)


def test_soft_labels_give_the_expected_log_probability():
    p_y = label(tf.math.log([[0.2, 0.8]]))
    expected = 0.3 * np.log(0.2) + 0.7 * np.log(0.8)
    np.testing.assert_allclose(p_y.log_prob([[0.3, 0.7]]), [expected], rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_classification_is_taken_at_the_posterior_mean(share):
    model = tiny(ccl.JointVAE, classification_at_mean=share)
    x, y = rows(8)
    batch = current_only(tf.constant(x), tf.one_hot(y, 3))
    found = model.infer(batch.x, (1, 2))
    term = model.joint_terms(batch, found)["classification"]
    chances = model.predict(x, verbose=0)[np.arange(8), y]
    sampled = tf.nn.softmax(model.classifier(found.z)).numpy()[np.arange(8), y]
    expected = -(1 - share) * np.log(sampled) - share * np.log(chances)
    np.testing.assert_allclose(term, expected, rtol=1e-4)


def test_novelty_and_the_label_within_the_classes_make_up_the_label_by_hand():
    p_y = label(tf.math.log([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]]))
    novelty = objectives.novelty(p_y, tf.constant([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(novelty, [-np.log(0.9), -np.log(0.5)], rtol=1e-5)
    within = -np.log([0.2 / 0.9, 0.25 / 0.5])
    np.testing.assert_allclose(novelty + within, -p_y.log_prob([[0.0, 1, 0], [0, 0, 1]]), rtol=1e-5)
    np.testing.assert_allclose(objectives.novelty(p_y, tf.ones(3)), [0, 0], atol=1e-6)


def test_distillation_is_zero_when_student_equals_teacher_and_not_otherwise():
    q = posterior(tf.random.normal([4, 6], seed=1))
    other = posterior(tf.random.normal([4, 6], seed=2))
    z = q.sample(seed=1)
    same, differs = (
        objectives.continual_terms(q_student=q, q_teacher=p, z=z, information=False)["distillation"]
        for p in (q, other)
    )
    np.testing.assert_allclose(same, np.zeros(4), atol=1e-6)
    assert (differs.numpy() > 0.01).all()


@pytest.mark.slow
def test_the_bound_lies_below_importance_sampled_log_p_of_x_and_y():
    model = tiny(
        ccl.JointVAE,
        input_shape=(4,),
        num_classes=2,
        classification_weight=1.0,
        classification_at_mean=0.0,
    )
    model.fit_tasks([rows(200, (4,), 2)], epochs=3, verbose=0)
    x, y = rows(6, (4,), 2, seed=5)
    draws = tf.constant(np.tile(x, (400, 1)))  # each with its own z
    found = model.infer(draws, (7, 0))
    terms = model.joint_terms(current_only(draws, tf.one_hot(np.tile(y, 400), 2)), found)
    bound = np.mean(np.reshape(-sum(terms.values()), (400, 6)), 0)
    log_p_z = -0.5 * (found.z**2 + np.log(2 * np.pi)).numpy().sum(1)
    log_joint = -terms["reconstruction"] - terms["classification"] + log_p_z
    log_ratios = np.reshape(log_joint - found.q.log_prob(found.z), (400, 6))
    truth = np.log(np.mean(np.exp(log_ratios.astype(np.float64)), 0))
    assert (bound < truth + 1e-3).all()
    assert (truth - bound < 5.0).all()  # and not so far below that anything would pass


def test_weighted_mean_and_total_by_hand():
    mean = objectives.weighted_mean(tf.constant([1.0, 3.0]), tf.constant([0.25, 0.75]))
    assert float(mean) == pytest.approx(2.5)
    total = objectives.total({"a": mean, "b": tf.constant(2.0)}, {"a": 2.0, "b": -1.0})
    assert float(total) == pytest.approx(3.0)


@pytest.mark.parametrize("replay", ["balanced", "mixed"])
@pytest.mark.parametrize("information_weight", slow_but([0.5, -0.5], (0.5,)))
def test_the_logged_total_is_the_weighted_sum_of_the_logged_terms(replay, information_weight):
    model = tiny(replay=replay, information_weight=information_weight, distillation_weight=2.0)
    history = model.fit_tasks([rows(seed=1), rows(seed=2)], epochs=2, verbose=0, batch_size=20)
    for task, record in enumerate(history.epochs):
        weights = model.term_weights()
        total = sum(weights[name] * np.array(record[name]) for name in weights)
        np.testing.assert_allclose(record["loss"], total, rtol=1e-4)
        if task:
            assert all(value != 0 for value in record["distillation"] + record["information"])


def test_a_step_follows_the_gradient_of_the_logged_loss():
    """One step of plain gradient descent, against the gradient of the loss taken by differences."""
    rate, small = 1e-4, 1e-2
    x, y = rows(8)
    model = tiny(ccl.CCLGM)
    model.compile(keras.optimizers.SGD(rate))
    weight = model.classifier.trainable_weights[0]
    before, noise = np.array(weight), np.array(model.noise)

    def loss(moved):
        weight.assign(moved)
        model.noise.assign(noise)
        found = model.infer(tf.constant(x), model.next_seed(), training=True)
        means = model.mean_terms(current_only(tf.constant(x), tf.one_hot(y, 3)), found)
        return float(objectives.total(means, model.term_weights()))

    gradient = np.zeros_like(before)
    for place in np.ndindex(before.shape):
        step = np.zeros_like(before)
        step[place] = small
        gradient[place] = (loss(before + step) - loss(before - step)) / (2 * small)
    weight.assign(before)
    model.noise.assign(noise)
    model.train_on_batch(x, y)
    taken = (before - np.array(weight)) / rate
    np.testing.assert_allclose(taken, gradient, rtol=0.05, atol=0.02 * np.abs(gradient).max())


def test_the_total_is_added_in_one_order_each_time():
    """`AddN` adds in the order in which its inputs come free, which differs from run to run."""
    spec = tf.TensorSpec((), tf.float32)
    traced = tf.function(lambda a, b, c: objectives.total({0: a, 1: b, 2: c}, [1.0, 2.0, 3.0]))
    graph = traced.get_concrete_function(spec, spec, spec).graph
    assert "AddN" not in {op.type for op in graph.get_operations()}
