"""What an exported student answers, against TFP and sampling."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from checks import rows, tiny

from keras_ccl.bounds import folded_prior
from keras_ccl.export import serving

tfd = tfp.distributions
X, Y = rows(60)


@pytest.fixture(scope="module")
def taught():
    model = tiny()
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit_tasks([(X, Y)], epochs=4, batch_size=10, verbose=0)
    return model


def posterior(rows_=50, dim=2):
    rng = np.random.default_rng(1)
    return tfd.MultivariateNormalDiag(
        rng.normal(size=(rows_, dim)).astype("float32"),
        rng.uniform(0.1, 1.5, (rows_, dim)).astype("float32"),
    )


def test_the_answers_are_those_of_the_model(taught):
    found = serving.classifier(taught).function(X)
    q = taught.encode(X)
    np.testing.assert_allclose(found["probabilities"], taught.predict(X, verbose=0), atol=1e-6)
    np.testing.assert_allclose(tf.nn.softmax(found["logits"]), found["probabilities"], atol=1e-6)
    np.testing.assert_allclose(found["latent_mean"], q.mean(), atol=1e-6)
    np.testing.assert_allclose(np.exp(found["latent_log_var"]), q.variance(), rtol=1e-4)
    drawn = taught.draw(5, tf.constant([3, 4]))
    shown = serving.decoder(taught).function(drawn.z)
    np.testing.assert_allclose(shown["x"], drawn.x, atol=1e-6)


def test_with_n01_the_kl_is_exact():
    q = posterior()
    prior = folded_prior.folded_prior(tiny(prior="normal").p_z)
    expected = q.kl_divergence(tfd.MultivariateNormalDiag(np.zeros((50, 2), "float32")))
    found = folded_prior.kl_to_prior(q.mean(), q.variance(), prior)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_with_a_mixture_the_kl_is_bounded_from_above_and_tight_for_narrow_posteriors(taught):
    wide = posterior()
    narrow = tfd.MultivariateNormalDiag(wide.mean(), 0.01 * wide.stddev())
    prior = folded_prior.folded_prior(taught.p_z)
    for q, slack in ((wide, 5.0), (narrow, 0.2)):
        z = q.sample(4000, seed=1)
        estimate = tf.reduce_mean(q.log_prob(z) - taught.p_z.distribution().log_prob(z), 0)
        gap = folded_prior.kl_to_prior(q.mean(), q.variance(), prior) - estimate
        assert float(tf.reduce_min(gap)) > -0.1
        assert float(tf.reduce_max(gap)) < slack


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_shortfall_is_of_tfps_log_likelihood_below_its_best(likelihood):
    model = tiny(likelihood=likelihood)
    z = np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
    inner = np.clip(X, 1e-3, 1 - 1e-3)
    logits = np.log(inner / (1 - inner))
    best = model.observation.distribution(logits if likelihood == "bernoulli" else inner)
    expected = best.log_prob(inner) - model.decode(z).log_prob(inner)
    found = model.observation.shortfall(model.decoder(z), inner)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert np.min(found) >= 0


def test_black_and_white_pixels_have_a_shortfall_too():
    observation, x = tiny().observation, np.array([[0, 1, 1, 0, 0, 1]], np.float32)
    sure = np.float32(40) * (2 * x - 1)
    np.testing.assert_allclose(observation.shortfall(sure, x), [0], atol=1e-6)
    np.testing.assert_allclose(observation.shortfall(0 * sure, x), [6 * np.log(2)], rtol=1e-6)


def mean_elbo(model, x, draws=200):
    """The bound of each row, averaged over z drawn anew: `elbo` takes one draw of each, always.

    Less the best log p(x|z) there is, which familiarity does not count.
    """
    best = model.observation.distribution(np.log(x / (1 - x))).log_prob(x)
    repeated = tf.constant(np.tile(x, (draws, 1)))
    found = model.infer(repeated, (5, 0))
    bounds = found.p_x.log_prob(repeated) - model.p_z.kl(found.q, found.z)
    return np.reshape(bounds, (draws, len(x))).mean(0) - best


@pytest.mark.graph
@pytest.mark.slow
def test_the_familiarity_is_near_the_elbo_and_low_for_what_was_not_learnt(taught):
    learnt = tiny()
    learnt.compile(keras.optimizers.Adam(1e-2))
    dark = X * np.float32(0.1)
    learnt.fit_tasks([(dark, Y)], epochs=10, batch_size=10, verbose=0)
    for model, x in ((taught, X), (learnt, dark), (learnt, 1 - dark)):
        found = serving.classifier(model).function(x)["familiarity"].numpy()
        expected = mean_elbo(model, x)
        np.testing.assert_allclose(found, expected, rtol=0.2, atol=1.0)
    served = serving.classifier(learnt).function
    assert served(dark)["familiarity"].numpy().mean() > found.mean() + 1
