"""Quadratic discriminants of Gaussians, and the memory that answers with them."""

import numpy as np
import pytest
import tensorflow as tf
from checks import slow_but, tiny
from tensorflow_probability import distributions as tfd

import keras_ccl as ccl
from keras_ccl.bounds import discriminants
from keras_ccl.bounds.closed_form import Moments
from keras_ccl.models.class_gaussians import HELD_EVERY, MOST_BYTES, RANK, rank_for
from keras_ccl.models.gaussian_memory import GaussianMemory

DIM = 5
OPTIONS = {"epochs": 1, "batch_size": 50, "verbose": 0}


def moments_of(x, y, classes=3):
    of = np.eye(classes)[y]
    return Moments(of.sum(0), of.T @ x, x.T @ x)


def rings(n=900, seed=0, classes=(0, 1, 2)):
    """Rows of classes about the same mean, each of which varies most along another axis."""
    rng = np.random.default_rng(seed)
    y = rng.choice(classes, n).astype("int32")
    x = rng.normal(size=(n, DIM)) * (1 + 9 * np.eye(DIM)[y])
    return (x + 10).astype("float32"), y


def clouds(n, dim=40):
    """Rows of two classes of one covariance, about means that are near to each other."""
    rng = np.random.default_rng(0)
    y = rng.choice(2, n).astype("int32")
    return (2 * np.eye(dim)[y] + rng.normal(size=(n, dim))).astype("float32"), y


def new(**options):
    given = {"input_shape": (DIM,), "likelihood": None, "memory": "gaussians"}
    return tiny(**{**given, **options})


def logits(model, x):
    return model.feature_memory.logits(tf.constant(x)).numpy()


def test_whitened_rows_have_the_identity_about_the_means_of_their_classes():
    rng = np.random.default_rng(0)
    y = np.arange(6000) % 3
    x = 4 * np.eye(3, DIM)[y] + rng.normal(size=(6000, DIM)) @ rng.normal(size=(DIM, DIM))
    white = x @ discriminants.whitening(moments_of(x, y))
    about = white - np.stack([white[y == k].mean(0) for k in range(3)])[y]
    np.testing.assert_allclose(about.T @ about / len(x), np.eye(DIM), atol=0.01)


def test_few_rows_and_a_feature_that_does_not_vary_can_be_whitened():
    x = np.random.default_rng(0).normal(size=(4, 30))
    x[:, 3] = 1.0
    assert np.isfinite(discriminants.whitening(moments_of(x, np.array([0, 0, 1, 1])))).all()


def test_logits_are_log_densities_where_each_class_has_its_own_variance_in_its_directions():
    rng = np.random.default_rng(1)
    counts, means = np.array([30.0, 0.0, 80.0]), rng.normal(size=(3, DIM))
    factors = 3 * rng.normal(size=(3, 2, DIM))
    root = rng.normal(size=(DIM, DIM))
    common = root @ root.T + np.eye(DIM)
    whitening = np.linalg.cholesky(np.linalg.inv(common))
    belief = discriminants.Belief(directions=20, rows_per_feature=2)
    found = discriminants.quadratic_discriminant(
        counts, means, factors @ whitening, whitening, belief
    )
    x = rng.normal(size=(20, DIM))
    white = (x - found.centre) @ whitening
    along = np.einsum("krd,nd->nkr", factors, white @ whitening.T) - found.offsets
    own = np.square(np.einsum("ksr,nkr->nks", found.turned, along)).sum(2)
    ours = white @ found.means.T + found.bias + 0.5 * own

    def log_density(k):
        directions, _ = np.linalg.qr((factors[k] @ whitening).T)  # of whitened rows
        squares = directions.T @ (factors[k] @ whitening).T
        of_class = np.eye(DIM) + counts[k] / (counts[k] + 2 * DIM) * (
            directions @ (squares @ squares.T - np.eye(2)) @ directions.T
        )
        turn = np.linalg.inv(whitening)
        covariance = turn.T @ of_class @ turn
        return tfd.MultivariateNormalFullCovariance(means[k], covariance).log_prob(x).numpy()

    np.testing.assert_allclose(ours[:, 0] - ours[:, 2], log_density(0) - log_density(2), rtol=1e-6)
    assert (ours[:, 1] < -1e8).all()


def test_a_class_is_nowhere_taken_to_vary_less_than_all_do():
    counts, means = np.array([1e6, 1e6]), np.zeros((2, DIM))
    factors = np.stack([0.1 * np.eye(1, DIM), 3 * np.eye(1, DIM)])
    found = discriminants.quadratic_discriminant(
        counts, means, factors, np.eye(DIM), discriminants.BELIEFS[0]
    )
    assert np.abs(found.turned[0]).max() == 0 and np.abs(found.turned[1]).max() > 0


@pytest.mark.parametrize("too_sure", [1.0, 5.0, 100.0])
def test_the_best_scale_makes_up_for_what_is_too_sure(too_sure):
    rng = np.random.default_rng(0)
    right = rng.normal(size=(20_000, 4))
    y = (right + rng.gumbel(size=right.shape)).argmax(1)  # p(y) = softmax of them
    _, found = discriminants.best_scale(too_sure * right, y, np.ones(len(y)))
    assert found * too_sure == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(
    "brought", slow_but([((0,), (1, 2)), ((0,), (1,), (2,))], [], [((0,), (1, 2))])
)
def test_it_tells_classes_apart_that_differ_in_covariance_alone(brought):
    model = new()
    rows = 1800 // len(brought)
    model.fit_tasks([ccl.Task(rings(rows, classes=each)) for each in brought], **OPTIONS)
    x, y = rings(seed=1)
    assert np.mean(logits(model, x).argmax(1) == y) > 0.7  # their means: 0.33
    assert np.mean(model.predict(x, verbose=0).argmax(1) == y) > 0.7
    assert model.feature_memory.feature_sums.counts.numpy().sum() == 1800


@pytest.mark.slow
def test_how_sure_it_is_comes_from_rows_of_the_task_that_it_had_not_learnt():
    model = new()
    model.fit_tasks([ccl.Task(rings(n=1500))], **OPTIONS)  # every class: no memory is wanted
    assert model.memory_size == 0 and model.feature_memory.gaussians.counts.numpy().sum() == 1500
    told = {}
    for rows in (150, 3000):
        model = new(input_shape=(40,), seed=1)
        model.fit_tasks([ccl.Task(clouds(rows))], **OPTIONS)
        told[rows] = float(model.feature_memory.discriminant.scale)
    assert 0.7 < told[3000] < 1.4  # the Gaussians are right
    assert told[150] < 0.7 * told[3000]  # of few rows they are too sure


def test_only_the_first_directions_are_a_class_s_own_where_fewer_are_believed():
    counts, means = np.array([50.0, 50.0]), np.zeros((2, DIM))
    factors = np.random.default_rng(0).normal(size=(2, 3, DIM))
    few, all_of_few = (
        discriminants.quadratic_discriminant(
            counts, means, given, np.eye(DIM), discriminants.Belief(directions, 2)
        )
        for given, directions in ((factors, 2), (factors[:, :2], 3))
    )
    assert few.turned.shape == (2, 3, 3) and not few.turned[:, 2].any()
    np.testing.assert_allclose(few.turned[:, :2, :2], all_of_few.turned)
    np.testing.assert_allclose(few.bias, all_of_few.bias)


@pytest.mark.slow
@pytest.mark.parametrize(("varies", "believes"), [(0.0, 8), (9.0, 2)])
def test_what_is_believed_of_a_class_follows_from_rows_that_were_not_learnt(varies, believes):
    rng = np.random.default_rng(0)
    y = rng.choice(2, 400).astype("int32")
    x = rng.normal(size=(400, 40)) * (1 + varies * np.eye(40)[y]) + 2 * np.eye(40)[5 + y]
    model = new(input_shape=(40,))
    model.fit_tasks([(x.astype("float32"), y)], **OPTIONS)
    belief = discriminants.BELIEFS[int(model.feature_memory.discriminant.belief)]
    assert belief.rows_per_feature == believes


@pytest.mark.release
def test_begun_twice_it_knows_the_same():
    once, twice = new(), new()
    first, second = ccl.Task(rings(classes=(0,))), rings(classes=(1, 2), seed=3)
    for model, times in ((once, 1), (twice, 2)):
        model.fit_tasks([first], **OPTIONS)
        split = ccl.data.array_split.ArraySplit(*second, model.data_spec, "task 2, train")
        for _ in range(times):
            model.feature_memory.begin(split, model.observe)
    kept = [model.feature_memory.gaussians for model in (once, twice)]
    for state in ("counts", "means", "new", "whitening"):
        np.testing.assert_allclose(
            *(getattr(each, state).numpy() for each in kept), rtol=1e-4, atol=1e-4
        )
    spread = [np.square(each.factors).sum(1) + each.rest for each in kept]
    np.testing.assert_allclose(*spread, rtol=1e-4)


@pytest.mark.parametrize("rows", slow_but([1, 2, HELD_EVERY, 2 * HELD_EVERY], [], [1]))
def test_a_task_of_hardly_any_rows_is_learnt(rows):
    model = new()
    model.fit_tasks([rings(classes=(0,)), rings(n=rows, classes=(1,), seed=2)], **OPTIONS)
    assert model.feature_memory.gaussians.counts.numpy().tolist() == [900, rows, 0]
    assert np.isfinite(model.predict(rings()[0], verbose=0)).all()


@pytest.mark.slow
def test_rows_count_by_their_weight():
    x, y = rings(n=200, classes=(0, 1))
    weight = np.where(np.arange(200) < 90, 2.0, 1.0).astype("float32")
    twice, weighed = new(observation_scale=1.0), new(observation_scale=1.0)
    twice.fit_tasks([(np.concatenate([x, x[:90]]), np.concatenate([y, y[:90]]))], **OPTIONS)
    weighed.fit_tasks([(x, y, weight)], **OPTIONS)
    rows = rings(seed=1, classes=(0, 1))[0]
    found = [
        logits(model, rows) / model.feature_memory.discriminant.scale for model in (twice, weighed)
    ]
    np.testing.assert_allclose(
        found[0][:, 0] - found[0][:, 1], found[1][:, 0] - found[1][:, 1], rtol=1e-3, atol=1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize(("negative", "root"), [(False, 1), (True, 0)])
def test_values_that_are_never_negative_are_gaussian_in_their_square_roots(negative, root):
    rng = np.random.default_rng(0)
    y = rng.choice(2, 2000).astype("int32")
    x = np.square(np.maximum(3 + y[:, None] + rng.normal(size=(2000, DIM)), 0)).astype("float32")
    x[0, 0] -= 20 * negative
    model = new()
    model.fit_tasks([(x, y)], **OPTIONS)
    memory = model.feature_memory
    assert memory.gaussians.root.numpy() == root
    roots = np.sign(x) * np.sqrt(np.abs(x)) if root else x
    means = [roots[y == k].mean(0) for k in (0, 1)]
    np.testing.assert_allclose(memory.gaussians.means.numpy()[:2], means, rtol=1e-3)
    drawn, of = memory.draw(tf.constant(20_000), tf.constant([1, 2]), of_new=True)
    mean = drawn.numpy()[of.numpy()[:, 1] == 1].mean(0)
    np.testing.assert_allclose(mean, x[y == 1].mean(0), rtol=0.05)


def test_another_number_of_directions_is_refused():
    with pytest.raises(ValueError, match="expected 5 directions, received 9000"):
        GaussianMemory((DIM,), 3).grow(9000)


def test_the_rank_is_what_fifty_megabytes_hold():
    assert rank_for(1024, 100) == RANK
    assert rank_for(8, 3) == 8
    assert rank_for(8, 3, 5) == 5
    assert rank_for(2048, 1000) == 1
    memory = GaussianMemory((1024,), 200)
    memory.grow(memory.size_for(100))
    assert 20e6 < sum(weight.numpy().nbytes for weight in memory.weights) <= 1.05 * MOST_BYTES


def test_they_are_behind_backbones_by_default_and_refused_for_bernoulli():
    assert not isinstance(tiny(memory="auto").feature_memory, GaussianMemory)
    assert ccl.CCLGM.paper((6,), 3).replay_from == "teacher"
    with pytest.raises(ValueError, match="memory: expected 'gaussians' where p.* received Ber"):
        tiny(memory="gaussians")
    with pytest.raises(ValueError, match="replay_from: expected 'gaussians' with memory=.*=None"):
        new(memory=None, replay_from="gaussians")
    with pytest.raises(ValueError, match="replay_from: expected .* received 'student'"):
        tiny(replay_from="student")
