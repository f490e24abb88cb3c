"""Rows with a label come more often where they are few, and count as much as before."""

import numpy as np
import pytest
import tensorflow as tf
from checks import rows, tiny

import keras_ccl as ccl
from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.label_repeats import SHARE, showing
from keras_ccl.data.validation import DataSpec

SPEC = DataSpec((1,), 3, unit_range=False)


def few(n, labelled):
    return np.where(np.arange(n) < labelled, np.arange(n) % 3, -1)


def split(labelled, n=60, weight=None):
    x = np.arange(n, dtype=np.float32)[:, np.newaxis]
    return ArraySplit(x, few(n, labelled), SPEC, "here", weight).repeating_labels()


@pytest.mark.parametrize(("n", "labelled"), [(1000, 100), (1000, 10), (7, 1)])
def test_a_third_of_what_is_shown_has_a_label_and_all_count_alike(n, labelled):
    y = few(n, labelled)
    index, weight = showing(y)
    assert SHARE <= (y[index] >= 0).mean() < SHARE + 0.1
    often = np.bincount(index, minlength=n)
    np.testing.assert_allclose(often * weight, len(index) / n, rtol=1e-6)
    assert (often[y < 0] == 1).all() and len(set(often[y >= 0])) == 1
    assert weight[index].mean() == pytest.approx(1)


@pytest.mark.parametrize("labelled", [0, 20, 30, 60])
def test_where_no_row_or_a_third_of_them_has_one_each_comes_once(labelled):
    assert showing(few(60, labelled)) is None
    plain = ArraySplit(split(labelled).x, split(labelled).y, SPEC, "here")
    seed = tf.constant([1, 2])
    found, expected = (s.training(8, seed=seed)[0].take(10) for s in (split(labelled), plain))
    for one, other in zip(found, expected, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("own", [None, np.arange(1, 61, dtype=np.float32)])
def test_a_pass_of_training_shows_them_in_an_order_of_its_own(own):
    few_labels, seed = split(6, weight=own), tf.constant([1, 2])
    index, weight = showing(few_labels.y)
    batches, steps = few_labels.training(8, seed=seed)
    assert steps == few_labels.steps(8) == 11 and len(index) == 84  # six rows five times each
    taken = list(batches.take(22))
    for one_pass in (taken[:11], taken[11:]):
        x, y, counts = map(np.concatenate, zip(*one_pass, strict=True))
        at = x[:, 0].astype(int)
        np.testing.assert_array_equal(np.sort(at), index)
        np.testing.assert_array_equal(y, few_labels.y[at])
        np.testing.assert_allclose(counts, weight[at] * (1 if own is None else own[at]))
    assert not np.array_equal(taken[0][0], taken[11][0])


def test_a_run_that_goes_on_has_the_batches_it_would_have_had():
    seed = tf.constant([3, 4])
    whole = list(split(6).training(8, seed=seed)[0].take(40))
    for epoch, asked in ((1, None), (2, 9), (3, 12)):
        rest, steps = split(6).training(8, seed=seed, first_epoch=epoch, steps_per_epoch=asked)
        after = whole[epoch * steps :]
        for expected, found in zip(after, rest.take(len(after)), strict=True):
            np.testing.assert_array_equal(expected[0], found[0])


def test_what_is_held_is_shown_whatever_becomes_of_the_arrays():
    held = split(6).held()
    held.x[:] = -1
    assert min(batch[0].numpy().min() for batch in held.training(8, seed=[1, 2])[0].take(11)) == 0


def test_models_that_take_many_steps_ask_for_it_and_heads_do_not():
    x, y = rows(60, seed=1)
    task = (x, np.where(np.arange(60) < 6, y, -1))
    seen = []

    class Look(ccl.CCLGM):
        def train_step(self, data):
            seen.append(len(data))
            return super().train_step(data)

    tiny(Look).fit_tasks([task], epochs=1, verbose=0)
    assert set(seen) == {3}
    head = ccl.RandomFeatureRidge(x.shape[1:], 3, features="raw")
    head.fit_tasks([task], verbose=0)
    assert head.feature_sums.counts.numpy().sum() == 6
