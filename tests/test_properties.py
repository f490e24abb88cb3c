"""Properties that hold for any input, found by hypothesis."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_ccl import Task
from keras_ccl.bounds import divergences, mixtures, objectives
from keras_ccl.checkpointing.folder import CheckpointFolder
from keras_ccl.data import streams
from keras_ccl.data.validation import class_indices
from keras_ccl.export.quantization import round_to_int8
from keras_ccl.methods import mixing
from keras_ccl.models import rows as replay
from keras_ccl.results import metrics

tfd = tfp.distributions
LIMITS = settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**31 - 1)


def r_matrix(tasks, seed):
    accuracy = np.random.default_rng(seed).uniform(size=(tasks, tasks))
    return np.where(np.tri(tasks, dtype=bool), accuracy, np.nan)


def gaussian(rng, rows, dim):
    return tfd.MultivariateNormalDiag(
        rng.normal(size=(rows, dim)).astype("float32"),
        np.exp(rng.uniform(-2, 2, (rows, dim))).astype("float32"),
    )


@LIMITS
@given(st.integers(1, 8), SEEDS)
def test_what_r_tells_stays_in_its_range(tasks, seed):
    accuracy = r_matrix(tasks, seed)
    average, forgetting = metrics.average_accuracy(accuracy), metrics.forgetting(accuracy)
    assert ((average >= 0) & (average <= 1)).all() and (np.abs(forgetting) <= 1).all()
    assert -1 <= metrics.backward_transfer(accuracy) <= 1
    # Forgetting counts from the best, transfer from the first: one is never below minus the other.
    assert forgetting[-1] >= -metrics.backward_transfer(accuracy) - 1e-12


@LIMITS
@given(st.integers(1, 6), st.floats(0, 1))
def test_a_model_that_never_changes_forgets_nothing(tasks, value):
    accuracy = np.where(np.tri(tasks, dtype=bool), value, np.nan)
    np.testing.assert_allclose(metrics.forgetting(accuracy), 0, atol=1e-12)
    np.testing.assert_allclose(metrics.average_accuracy(accuracy), value)
    assert metrics.backward_transfer(accuracy) == pytest.approx(0)


@LIMITS
@given(st.integers(1, 6), st.integers(1, 5), SEEDS)
def test_kl_is_not_negative_and_zero_to_itself(rows, dim, seed):
    rng = np.random.default_rng(seed)
    q, p = gaussian(rng, rows, dim), gaussian(rng, rows, dim)
    assert (divergences.kl_divergence(q, p).numpy() >= -1e-4).all()
    np.testing.assert_allclose(divergences.kl_divergence(q, q), 0, atol=1e-4)


@LIMITS
@given(st.integers(1, 12), st.integers(1, 4), SEEDS)
def test_information_gain_never_exceeds_the_log_of_the_batch(rows, dim, seed):
    q = gaussian(np.random.default_rng(seed), rows, dim)
    gain = divergences.information_gain(q, q.sample(seed=seed % 1000))
    assert (gain.numpy() <= np.log(rows) + 1e-4).all()


@LIMITS
@given(st.integers(1, 40), st.integers(1, 200), st.sampled_from(sorted(mixing.REPLAYS)))
def test_the_weights_of_a_step_add_up_to_1(rows, seen, kind):
    x, y = tf.ones([rows, 2]), tf.ones([rows, 3]) / 3

    def generate(n):
        return replay.Generated(None, tf.zeros([n, 2]), tf.ones([n, 3]) / 3, None)

    joined = mixing.REPLAYS[kind](x, y, generate, tf.constant(seen))
    assert len(joined.x) == len(joined.y) == len(joined.weight)
    assert float(tf.reduce_sum(joined.weight)) == pytest.approx(1, abs=1e-4)
    assert int(joined.current) >= 1 and (joined.weight.numpy() > 0).all()
    term = tf.fill([len(joined.x)], 7.0)
    assert float(objectives.weighted_mean(term, joined.weight)) == pytest.approx(7, rel=1e-4)


@LIMITS
@given(st.integers(2, 30), st.integers(1, 5), st.integers(1, 6), SEEDS)
def test_split_gives_every_row_to_exactly_one_task(rows, classes, each, seed):
    rng = np.random.default_rng(seed)
    x = np.arange(rows, dtype="float32")[:, None] / rows
    stream = streams.split(Task((x, rng.integers(0, classes, rows))), classes_per_task=each)
    shown = np.concatenate([task.train()[0] for task in stream])
    np.testing.assert_array_equal(np.sort(shown, 0), x)


@LIMITS
@given(st.integers(1, 8), st.integers(1, 40), SEEDS)
def test_permutations_lose_no_pixel(tasks, pixels, seed):
    x = np.random.default_rng(seed).uniform(size=(3, pixels))
    for task in streams.permuted(Task((x, np.zeros(3, int))), tasks=tasks, seed=seed):
        np.testing.assert_array_equal(np.sort(task.train()[0], 1), np.sort(x, 1))


@LIMITS
@given(st.lists(st.integers(0, 6), min_size=1, max_size=20))
def test_one_hot_and_integer_labels_are_the_same_labels(labels):
    one_hot = np.eye(7)[labels]
    for form in (np.array(labels), np.array(labels, float)[:, None], one_hot):
        assert class_indices(form, 7, "task 1").tolist() == labels


@LIMITS
@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 5), SEEDS)
def test_fitted_mixtures_are_distributions_whatever_the_points(rows, dim, components, seed):
    rng = np.random.default_rng(seed)
    z = np.round(rng.normal(size=(rows, dim)), 1)  # with points that coincide
    y = rng.integers(0, 3, rows)
    weights, means, trils = mixtures.fit_classes(
        z, y, np.full(rows, 1 / rows), num_classes=3, components=components, rng=rng
    )
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    assert np.isfinite(means).all() and np.isfinite(trils).all()
    assert (np.diagonal(trils, axis1=1, axis2=2) > 0).all()
    for k in range(3):
        of_class = weights[k * components : (k + 1) * components].sum()
        assert of_class == pytest.approx(np.mean(y == k))


@LIMITS
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([0, 1]), SEEDS)
def test_a_rounded_weight_is_within_half_a_step(rows, columns, axis, seed):
    weight = np.random.default_rng(seed).normal(size=(rows, columns)).astype("float32")
    values, scale = round_to_int8(weight, axis)
    step = scale[:, None] if axis == 0 else scale[None]
    assert values.dtype == np.int8
    assert (np.abs(values * step - weight) <= 0.5001 * step).all()


ARRAYS = st.dictionaries(
    st.text("abcdef/0123456789", min_size=1).filter(lambda name: not name.startswith("/")),
    st.tuples(st.integers(0, 4), SEEDS),
    max_size=4,
)
STATES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
).map(lambda value: {"value": value})


@LIMITS
@given(ARRAYS, STATES)
def test_a_checkpoint_comes_back_as_it_was(shapes, state):
    arrays = {
        name: np.random.default_rng(seed).normal(size=rows) for name, (rows, seed) in shapes.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        CheckpointFolder(folder, {"run": 1}).save(state, arrays)
        found, stored = CheckpointFolder(folder, {"run": 1}).load()
    assert found == state and stored.keys() == arrays.keys()
    assert all(np.array_equal(stored[name], arrays[name]) for name in arrays)


@LIMITS
@given(st.sampled_from(["arrays.npz", "state.json", "run.json", "manifest.json"]), st.data())
def test_a_changed_byte_never_changes_what_a_checkpoint_says(name, data):
    with tempfile.TemporaryDirectory() as folder:
        run = CheckpointFolder(folder, {"run": 1})
        run.save({"epoch": 3}, {"weight": np.arange(5.0)})
        path = Path(folder) / "00000001" / name
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(content))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = run.load()
            except ValueError as error:  # the number of the format
                assert name == "manifest.json" and "was saved in format" in str(error)
                return
    if found is None:
        assert "damaged, and not used" in str(caught[0].message)
        assert "00000001" in str(caught[0].message)
    else:  # white space of the manifest
        assert name == "manifest.json" and found[0] == {"epoch": 3}
        np.testing.assert_array_equal(found[1]["weight"], np.arange(5.0))
