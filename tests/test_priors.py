"""p(z): sampled and fitted mixtures against moments and closed forms."""

import numpy as np
import pytest
import tensorflow as tf
from checks import slow_but
from tensorflow_probability import distributions as tfd

import keras_ccl as ccl
from keras_ccl.bounds.distributions import posterior
from keras_ccl.bounds.mixtures import fit_classes, fit_gaussian, k_means
from keras_ccl.bounds.priors import MixturePrior, NormalPrior

KEY = tf.constant([3, 4])


def two_classes(n=4000):
    """Class 0 in two clusters, class 2 in one; class 1 unseen."""
    rng = np.random.default_rng(0)
    centres = np.array([[5.0, 0.0], [-5.0, 0.0], [0.0, 8.0]])
    cluster = rng.integers(3, size=n)
    z = centres[cluster] + rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, 0.2]])
    return z, np.where(cluster == 2, 2, 0), np.full(n, 1 / n)


def test_a_new_mixture_is_the_standard_normal():
    z = MixturePrior(3, 2, 4).sample(20_000, KEY).numpy()
    np.testing.assert_allclose(z.mean(0), np.zeros(3), atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=0.05)


def test_samples_of_a_fitted_mixture_have_the_moments_of_the_data():
    z, y, weights = two_classes()
    prior = MixturePrior(2, 3, 2)
    prior.fit(z, y, weights, seed=0)
    drawn = prior.sample(20_000, KEY).numpy()
    np.testing.assert_allclose(drawn.mean(0), z.mean(0), atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(z.T), rtol=0.05, atol=0.2)


def test_samples_agree_with_the_density():
    z, y, weights = two_classes()
    prior = MixturePrior(2, 3, 2)
    prior.fit(z, y, weights, seed=0)
    mine = prior.distribution().log_prob(prior.sample(20_000, KEY)).numpy()
    tfps = prior.distribution().log_prob(prior.distribution().sample(20_000, seed=1)).numpy()
    error = np.hypot(mine.std(), tfps.std()) / np.sqrt(20_000)
    assert abs(mine.mean() - tfps.mean()) < 4 * error


def test_the_density_is_that_of_tfp():
    rng = np.random.default_rng(0)
    prior = MixturePrior(3, num_classes=2, components=4)
    z = rng.normal(size=(400, 3)) * [1, 5, 0.01] + [0, 100, 0]
    prior.fit(z, np.arange(400) % 2, np.full(400, 1 / 400), seed=0)
    at = tf.constant(np.concatenate([z[:20], z[:1] + 1000]), tf.float32)
    in_a_graph = tf.function(prior.log_prob, input_signature=[tf.TensorSpec((None, 3))])
    np.testing.assert_allclose(
        in_a_graph(at), prior.distribution().log_prob(at), rtol=1e-3, atol=2e-3
    )


def test_a_class_that_was_not_seen_gets_no_weight_and_clusters_are_found():
    z, y, weights = two_classes()
    shares, means, _ = fit_classes(
        z, y, weights, num_classes=3, components=2, rng=np.random.default_rng(1)
    )
    assert shares.sum() == pytest.approx(1) and (shares[2:4] == 0).all()
    np.testing.assert_allclose(sorted(means[:2, 0]), [-5, 5], atol=0.2)


def test_row_weights_count_as_repeated_rows():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(300, 2))
    twice = fit_gaussian(np.concatenate([z, z[:100]]), np.ones(400), 1.0)
    weighted = fit_gaussian(z, np.where(np.arange(300) < 100, 2.0, 1.0), 1.0)
    np.testing.assert_allclose(twice[0], weighted[0], atol=1e-12)
    np.testing.assert_allclose(twice[1], weighted[1], atol=0.02)  # shrinkage counts rows


def test_the_covariance_of_few_points_is_shrunk_to_the_class():
    mean, tril = fit_gaussian(np.array([[1.0, 2.0]]), np.ones(1), 3.0)
    np.testing.assert_array_equal(mean, [1.0, 2.0])
    np.testing.assert_allclose(tril @ tril.T, 3.0 * 20 / 21 * np.eye(2), rtol=1e-3)


def test_k_means_finds_clusters_far_apart():
    z = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], 5, 0)
    clusters = k_means(z, np.ones(len(z)), 3, np.random.default_rng(0)).reshape(3, 5)
    assert all(len(set(row)) == 1 for row in clusters) and len(set(clusters[:, 0])) == 3


def test_clusters_are_shared_out_by_weight_not_by_number():
    """Many rows of the current task, few of each of four earlier ones, all tasks weighing the same.

    By number alone, five clusters never are the five tasks.
    """
    sizes = [4000, 100, 100, 100, 100]
    task, shares = (np.repeat(of_task, sizes) for of_task in (range(5), 1 / np.array(sizes)))

    def is_found(weights, seed):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(len(task), 8)) + 6 * np.eye(5, 8)[task]
        clusters = k_means(z, weights, 5, rng)
        return len({np.bincount(clusters[task == t]).argmax() for t in range(5)}) == 5

    found = np.array([(is_found(shares, k), is_found(np.ones(len(task)), k)) for k in range(20)])
    assert found[:, 0].mean() > 0.5 and not found[:, 1].any()


def test_one_point_makes_one_cluster():
    assert k_means(np.zeros((1, 2)), np.ones(1), 8, np.random.default_rng(0)).tolist() == [0]


def test_kl_to_a_fitted_mixture_against_monte_carlo_and_before_it_in_closed_form():
    q = posterior(tf.constant([[1.0, -2.0, 0.1, -0.3]]))
    prior = MixturePrior(2, 3, 2)
    z = q.sample(50_000, seed=2)[:, 0]
    closed = NormalPrior(2).kl(q, z[:1])
    np.testing.assert_array_equal(prior.kl(q, z[:1]), closed)
    prior.fit(*two_classes(), seed=0)
    estimates = np.concatenate([prior.kl(q, z[i : i + 1]) for i in range(200)])
    ratios = (q.log_prob(z) - prior.distribution().log_prob(z)).numpy()
    assert abs(estimates.mean() - ratios.mean()) < 4 * ratios.std() / np.sqrt(200)
    assert ratios.mean() > 0


def told_from(learnt, never, density):
    """How often a learnt row looks likelier than one that was not, a coin being 0.5."""
    return (density(learnt)[:, None] > density(never)).mean()


@pytest.mark.slow
@pytest.mark.parametrize("few", slow_but([1, 19, 60], [19]))
def test_the_mixture_points_at_no_row_of_a_small_class(few):
    """Whoever asks it whether a row was learnt hears little more than the mean of the class tells.

    With a Gaussian for each row, the answer would always be right.
    """
    by_mixture, by_mean, rng = [], [], np.random.default_rng(few)
    for _ in range(40):
        learnt, never = rng.normal(1.0, 0.3, (2, few, 8))
        z = np.concatenate([learnt, rng.normal(-1.0, 0.3, (400, 8))])
        y = np.repeat([0, 1], [few, 400])
        weights, means, trils = fit_classes(
            z, y, np.full(len(z), 1 / len(z)), num_classes=2, components=20, rng=rng
        )
        mixture = tfd.MixtureSameFamily(
            tfd.Categorical(probs=weights), tfd.MultivariateNormalTriL(means, trils)
        )
        by_mixture.append(told_from(learnt, never, lambda z, p=mixture: p.log_prob(z).numpy()))
        centre = learnt.mean(0)
        by_mean.append(told_from(learnt, never, lambda z, c=centre: -np.square(z - c).sum(1)))
    assert np.mean(by_mixture) < np.mean(by_mean) + 0.15
    used = weights[:20] > 0
    assert np.count_nonzero(used) == max(few // 20, 1)
    assert np.linalg.svd(trils[:20][used], compute_uv=False).min() > 0.1  # wide in every direction


@pytest.mark.parametrize(("classes", "each"), [(2, 60), (10, 60), (20, 30), (100, 6), (5000, 1)])
def test_by_default_all_classes_share_six_hundred_gaussians(classes, each):
    assert ccl.CCLGM((4,), classes, latent_dim=2).prior_components == each
