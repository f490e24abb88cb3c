"""Linear classifiers from sums over rows, against what defines them."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_ccl.bounds import closed_form


def test_ridge_is_that_of_its_normal_equations():
    rng = np.random.default_rng(0)
    f, y = rng.standard_normal((50, 4)), np.eye(3)[rng.integers(0, 3, 50)]
    found = closed_form.ridge(closed_form.Moments(y.sum(0), y.T @ f, f.T @ f), penalty=2.0)
    centred, labels = f - f.mean(0), y - y.mean(0)
    spread = 2.0 * np.mean(np.square(centred))
    coefficients = np.linalg.solve(centred.T @ centred + spread * np.eye(4), centred.T @ labels)
    scores, expected = (
        (f - found.centre) @ found.kernel + found.bias,
        y.mean(0) + centred @ coefficients,
    )
    scale = np.std(scores) / np.std(expected)
    np.testing.assert_allclose(scores, expected * scale, atol=1e-5)
    assert scale > 1  # scores are divided by what is left unexplained


@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
def test_the_penalty_of_ridge_is_that_of_least_cross_validated_error(noise):
    rng = np.random.default_rng(0)
    f = rng.standard_normal((60, 40))
    y = np.eye(3)[(f[:, :3] + noise * rng.standard_normal((60, 3))).argmax(1)]
    moments = closed_form.Moments(y.sum(0), y.T @ f, f.T @ f)
    centred = f - f.mean(0)

    def error(penalty):
        added = penalty * np.mean(np.square(centred)) * np.eye(40)
        hat = centred @ np.linalg.solve(centred.T @ centred + added, centred.T) + 1 / 60
        return np.square(y - hat @ y).mean() / (1 - np.trace(hat) / 60) ** 2

    least = closed_form.ridge(moments, min(closed_form.PENALTIES, key=error))
    np.testing.assert_allclose(closed_form.ridge(moments).kernel, least.kernel, rtol=1e-6)


def test_ridge_passes_over_a_penalty_that_rounding_outweighs():
    """Products in float32 may have a direction of slightly negative variance."""
    f = np.random.default_rng(0).standard_normal((200, 3))
    f = np.concatenate([f, f[:, :1]], 1)
    y = np.eye(2)[(f[:, 0] > 0).astype(int)]
    products = f.T @ f - 5 * np.outer([1, 0, 0, -1], [1, 0, 0, -1])
    found = closed_form.ridge(closed_form.Moments(y.sum(0), y.T @ f, products))
    scores = (f - found.centre) @ found.kernel + found.bias
    assert np.mean(scores.argmax(1) == y.argmax(1)) > 0.95


def test_linear_discriminant_is_bayes_rule_for_gaussians_of_one_covariance():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    f = rng.standard_normal((3, 4))[y] + rng.standard_normal((90, 4)) @ rng.standard_normal((4, 4))
    of, means = np.eye(3)[y], np.stack([f[y == k].mean(0) for k in range(3)])
    found = closed_form.linear_discriminant(
        closed_form.Moments(of.sum(0), of.T @ f, f.T @ f), shrinkage=1e-12
    )
    logits = (f - found.centre) @ found.kernel + found.bias
    scale = tf.linalg.cholesky(np.cov((f - means[y]).T, bias=True))
    classes = tfd.MultivariateNormalTriL(means, scale[tf.newaxis])
    expected = classes.log_prob(f[:, np.newaxis]).numpy()
    first = lambda values: values - values[:, :1]  # noqa: E731
    np.testing.assert_allclose(first(logits), first(expected), rtol=1e-6, atol=1e-6)
