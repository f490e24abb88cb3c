"""Divergences against hand-computed and Monte Carlo values that share no code with them."""

import numpy as np
import pytest
import tensorflow as tf

from keras_ccl.bounds.distributions import (
    LOG_VAR_LIMIT,
    diagonal_gaussian,
    posterior,
    standard_normal,
)
from keras_ccl.bounds.divergences import information_gain, kl_divergence


def log_normal(z, mean, log_var):
    """log N(z; mean, diag(exp(log_var))) in plain NumPy, summed over the last axis."""
    return -0.5 * (np.log(2 * np.pi) + log_var + (z - mean) ** 2 / np.exp(log_var)).sum(-1)


def test_kl_to_the_standard_normal_by_hand():
    # KL(N(1, 4) || N(0, 1)) = (4 + 1 - 1 - ln 4) / 2, and a second dimension that adds nothing.
    q = diagonal_gaussian(tf.constant([[1.0, 0.0]]), tf.math.log([[4.0, 1.0]]))
    expected = (4 + 1 - 1 - np.log(4)) / 2
    np.testing.assert_allclose(kl_divergence(q, standard_normal(2)), [expected], rtol=1e-6)


def test_kl_of_two_gaussians_against_monte_carlo():
    rng = np.random.default_rng(0)
    means, log_vars = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    q, p = (
        diagonal_gaussian(tf.constant(m), tf.constant(v))
        for m, v in zip(means, log_vars, strict=True)
    )
    z = means[0] + np.exp(log_vars[0] / 2) * rng.normal(size=(200_000, 3))
    ratios = log_normal(z, means[0], log_vars[0]) - log_normal(z, means[1], log_vars[1])
    error = ratios.std() / np.sqrt(len(ratios))
    assert abs(float(kl_divergence(q, p)) - ratios.mean()) < 4 * error


def test_kl_of_equal_posteriors_is_zero():
    q = posterior(tf.random.normal([5, 8]))
    np.testing.assert_allclose(kl_divergence(q, q), np.zeros(5), atol=1e-6)


def test_a_log_variance_is_not_taken_for_a_scale():
    q = posterior(tf.constant([[0.0, np.log(9.0)]], tf.float32))
    bounded = LOG_VAR_LIMIT * np.tanh(np.log(9.0) / LOG_VAR_LIMIT)
    np.testing.assert_allclose(q.variance(), [[np.exp(bounded)]], rtol=1e-5)


def test_log_variances_are_bounded_with_finite_gradients():
    parameters = tf.Variable([[0.0, 1e6], [0.0, -1e6]])
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(kl_divergence(posterior(parameters), standard_normal(1)))
    assert np.isfinite(value) and np.isfinite(tape.gradient(value, parameters)).all()


def test_information_gain_by_hand_for_two_rows():
    means = np.array([[0.0], [1.0]])
    z = np.array([[0.3], [0.9]])
    density = np.exp(log_normal(z[:, None], means[None], np.zeros((1, 1))))  # [sample, posterior]
    expected = np.log(np.diag(density)) - np.log(density.mean(1))
    q = diagonal_gaussian(tf.constant(means, tf.float32), tf.zeros([2, 1]))
    np.testing.assert_allclose(information_gain(q, tf.constant(z, tf.float32)), expected, rtol=1e-4)


def test_information_gain_is_zero_where_posteriors_agree():
    q = diagonal_gaussian(tf.zeros([16, 3]), tf.zeros([16, 3]))
    np.testing.assert_allclose(information_gain(q, q.sample(seed=1)), np.zeros(16), atol=1e-5)


@pytest.mark.parametrize("n", [2, 7, 64])
def test_information_gain_reaches_log_b_for_posteriors_far_apart(n):
    means = 100.0 * tf.range(n, dtype=tf.float32)[:, None]
    q = diagonal_gaussian(means, tf.zeros([n, 1]))
    np.testing.assert_allclose(information_gain(q, means), np.full(n, np.log(n)), rtol=1e-5)


@pytest.mark.slow
def test_information_gain_against_monte_carlo_over_the_mixture():
    rng = np.random.default_rng(1)
    means = rng.normal(size=(6, 2))
    q = diagonal_gaussian(tf.constant(means), tf.zeros([6, 2], tf.float64))
    draws = q.sample(4000, seed=3)
    estimate = np.mean([information_gain_64(q, z) for z in draws.numpy()])
    z = means[:, None] + rng.normal(size=(6, 20_000, 2))
    pairwise = np.stack([log_normal(z, m, np.zeros(2)) for m in means], -1)  # [6, n, 6]
    own = np.stack([pairwise[i, :, i] for i in range(6)])
    reference = (own - np.log(np.exp(pairwise).mean(-1))).mean()
    assert abs(estimate - reference) < 0.01


def information_gain_64(q, z):
    pairwise = q.log_prob(z[:, None]).numpy()
    return (np.diag(pairwise) - np.log(np.exp(pairwise).mean(1))).mean()
