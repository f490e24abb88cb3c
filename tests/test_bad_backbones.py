"""What a model with a backbone refuses, and when."""

import keras
import pytest
import tensorflow as tf
from checks import same_weights, weights_of
from test_backbones import OPTIONS, SHAPE, X, Y, new, new_backbone

import keras_ccl as ccl

BAD = {
    "no model": (lambda: new(len), "backbone: expected a keras.Model"),
    "another input": (
        lambda: ccl.CCLGM((5,), 3, backbone=new_backbone()),
        r"backbone: it does not accept inputs of shape \(None, 5\)",
    ),
    "features like x": (
        lambda: ccl.CCLGM((4,), 3, backbone=keras.Sequential([keras.layers.Dense(4)])),
        r"features of a known shape other than that of x, received \(None, 4\)",
    ),
    "pixels": (
        lambda: new(new_backbone(), likelihood="bernoulli"),
        "likelihood: expected 'gaussian' for the features",
    ),
    "images of another size": (
        lambda: new(new_backbone()).fit_tasks([(X, Y), (X[:, 1:], Y)], **OPTIONS),
        r"task 2, train: x is \(5, 6, 3\), the model expects \(6, 6, 3\)",
    ),
    "features without a number": (
        lambda: ccl.CCLGM(
            SHAPE,
            3,
            backbone=keras.Sequential([keras.layers.Flatten(), keras.layers.Rescaling(1e38)]),
        ).fit_tasks([(X, Y)], **OPTIONS),
        "task 1, train, features of the backbone: expected finite x",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused(name):
    act, told = BAD[name]
    with pytest.raises(ValueError, match=told):
        act()


def test_a_dataset_that_changes_its_mind_is_told():
    lengths = iter([20, 20, 17])

    def rows():
        n = next(lengths)
        yield from zip(X[:n], Y[:n], strict=True)

    signature = (tf.TensorSpec(SHAPE, tf.uint8), tf.TensorSpec((), tf.int32))
    dataset = tf.data.Dataset.from_generator(rows, output_signature=signature)
    model = new(new_backbone())
    before = weights_of(model)
    next(lengths)
    with pytest.raises(ValueError, match="task 1, train: expected 20 rows.*received 17"):
        model.fit_tasks([dataset], **OPTIONS)
    assert same_weights(before, weights_of(model))
