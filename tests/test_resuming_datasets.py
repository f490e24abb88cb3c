"""A run over datasets that shuffle anew in each pass ends the same, stopped or not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of
from interrupted import Signal, Stop, finish

import keras_ccl as ccl
from keras_ccl.data.passes_made import has_no_seed, shuffles_anew

X, Y = rows(36)
OPTIONS = {"epochs": 2, "batch_size": 24, "validation_split": 0.0}
"""2 steps an epoch."""


def of_one_shuffle():
    """Two tasks and their validation rows, all derived from one shuffled dataset."""
    base = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(36, seed=1)
    first = ccl.Task(base, validation=base.take(12), test=base.take(12))
    return [first, base.map(lambda x, y: (1 - x, y))]


def of_a_generator():
    """Python code that yields other rows in each pass, in no known number."""
    random = np.random.default_rng(0)

    def each():
        order = random.permutation(36)
        yield from zip(X[order], Y[order], strict=True)

    spec = (tf.TensorSpec((6,), tf.float32), tf.TensorSpec((), tf.int32))
    return [tf.data.Dataset.from_generator(each, output_signature=spec).shuffle(9, seed=2)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "stopping", "options"),
    [
        pytest.param(of_one_shuffle, Signal(7), {}, marks=pytest.mark.slow),
        (of_a_generator, Signal(3), {}),
        pytest.param(of_a_generator, Signal(5), {"steps_per_epoch": 3}, marks=pytest.mark.slow),
    ],
)
def test_it_goes_on_in_the_order_it_would_have_had(tasks, stopping, options, tmp_path):
    def run(folder, *callbacks):
        keras.utils.set_random_seed(0)
        model = tiny(ccl.JointVAE)
        history = finish(model, folder, callbacks, tasks(), **{**OPTIONS, **options})
        return history.to_json(), weights_of(model)

    expected = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", stopping)
    found = run(tmp_path / "parts")
    assert found[0] == expected[0] and same_weights(found[1], expected[1])


@pytest.mark.slow
def test_a_dataset_read_before_must_be_made_anew(tmp_path):
    tasks = of_one_shuffle()[:1]
    with pytest.raises(KeyboardInterrupt):
        finish(tiny(ccl.JointVAE), tmp_path, [Stop(1)], tasks, **OPTIONS)
    with pytest.raises(
        ValueError, match="task 1, train: the order of the rows is drawn anew .*mak"
    ):
        finish(tiny(ccl.JointVAE), tmp_path, [], tasks, **OPTIONS)
    tasks = of_one_shuffle()[:1]
    for _ in range(2):  # the second time nothing is left to learn
        assert len(finish(tiny(ccl.JointVAE), tmp_path, [], tasks, **OPTIONS)) == 1


def test_a_dataset_without_a_seed_is_told(tmp_path, monkeypatch):
    tf.random.set_seed(None)
    data = tf.data.Dataset.from_tensor_slices((X, Y))
    unseeded = data.shuffle(36).batch(12)
    with pytest.warns(UserWarning, match="task 1, train: the dataset draws from no seed"):
        finish(tiny(ccl.JointVAE), tmp_path, [], [unseeded], **{**OPTIONS, "epochs": 1})
    noisy = data.map(lambda x, y: (x + tf.random.normal((6,)), y))
    constant = data.shuffle(36, seed=1, reshuffle_each_iteration=False)
    cases = (data, noisy, unseeded, data.shuffle(36, seed=1), constant)
    assert [has_no_seed(case) for case in cases] == [False, True, True, False, False]
    assert [shuffles_anew(case) for case in cases] == [False, False, True, True, False]
