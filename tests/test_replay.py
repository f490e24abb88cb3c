"""Replay: how many rows of each kind, what each weighs, and whose label they bear."""

import numpy as np
import pytest
import tensorflow as tf

from keras_ccl.methods import mixing
from keras_ccl.models import rows as replay


def generate(n):
    """Rows that tell themselves from current ones: x is -1."""
    return replay.Generated(None, -tf.ones([n, 2]), tf.ones([n, 3]) / 3, "posteriors")


def batch(n):
    return tf.ones([n, 2]), tf.one_hot(tf.zeros([n], tf.int32), 3)


@pytest.mark.parametrize(("seen", "generated"), [(1, 128), (2, 170), (3, 192), (4, 204)])
def test_mixed_batches_have_the_rows_of_the_paper(seen, generated):
    joined = mixing.mixed(*batch(256), generate, tf.constant(seen))
    assert int(tf.reduce_sum(tf.cast(joined.x[:, 0] < 0, tf.int32))) == generated
    assert int(joined.current) == 256 - generated
    np.testing.assert_allclose(joined.weight, np.full(256, 1 / 256))


@pytest.mark.parametrize("seen", [1, 4, 99])
@pytest.mark.parametrize("n", [1, 7, 256])
@pytest.mark.parametrize(("lacks_classes", "power"), [(True, -1), (False, -0.5)])
def test_current_rows_of_balanced_batches_weigh_less_with_each_task(lacks_classes, power, seen, n):
    seen_ = tf.constant(seen)
    joined = mixing.balanced(*batch(n), generate, seen_, lacks_classes=lacks_classes)
    assert joined.x.shape[0] == 2 * n and int(joined.current) == n
    assert float(tf.reduce_sum(joined.weight[:n])) == pytest.approx((seen + 1) ** power, rel=1e-4)
    assert float(tf.reduce_sum(joined.weight)) == pytest.approx(1, rel=1e-4)
    assert (joined.x.numpy()[:n] == 1).all() and (joined.x.numpy()[n:] == -1).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_mixed_batches_of_few_rows_keep_a_current_one(n):
    joined = mixing.mixed(*batch(n), generate, tf.constant(50))
    assert int(joined.current) >= 1 and joined.x.shape[0] == n


def test_without_a_teacher_every_row_is_current():
    joined = replay.current_only(*batch(4))
    assert joined.q_teacher is None and int(joined.current) == 4
    np.testing.assert_allclose(joined.weight, np.full(4, 0.25))


def test_labels_of_each_kind():
    of_z, of_x = tf.math.log([[0.7, 0.3]]), tf.math.log([[0.2, 0.8]])
    np.testing.assert_array_equal(replay.generated_labels(of_z, of_x, "hard", 1.0), [[1, 0]])
    np.testing.assert_allclose(
        replay.generated_labels(of_z, of_x, "soft", 1.0), [[0.7, 0.3]], rtol=1e-5
    )
    np.testing.assert_allclose(
        replay.generated_labels(of_z, of_x, "reencoded", 1.0), [[0.2, 0.8]], rtol=1e-5
    )
    sharp = replay.generated_labels(of_z, of_x, "reencoded", 0.5)
    np.testing.assert_allclose(sharp, [[0.04 / 0.68, 0.64 / 0.68]], rtol=1e-5)
