"""Every bad input is refused with task, expected and received, before a weight changes."""

import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.data.validation import DataSpec, check_rows, class_indices

X, Y = rows(12)


def with_value(value):
    x = X.copy()
    x[3, 2] = value
    return x, Y


def with_label(value):
    y = Y.astype("float32")
    y[4] = value
    return X, y


BAD_ROWS = {
    "NaN": (with_value(np.nan), "expected finite x, received 1 NaN"),
    "infinite": (with_value(np.inf), "expected finite x, received 1 NaN or infinite"),
    "above the unit range": (with_value(1.5), r"expects x in \[0, 1\], received x from .* to 1.5"),
    "below the unit range": (with_value(-0.5), r"expects x in \[0, 1\], received x from -0.5"),
    "integers up to 255": (((X * 255).astype("int16"), Y), "divide by 255"),
    "bytes of black and white": (((X > 0.5).astype("uint8"), Y), "received 0 and 1 alone"),
    "label too large": (with_label(3), "expected labels from 0 to 2, received 3.0 in row 4"),
    "negative label": (with_label(-2), "expected labels from 0 to 2, received -2.0 in row 4"),
    "fractional label": (with_label(0.5), "expected integer labels, received 0.5 in row 4"),
    "not a number as label": (with_label(np.nan), "expected integer labels, received nan in row 4"),
    "two hot": ((X, np.ones((12, 3))), "expected one-hot rows"),
    "soft labels": ((X, np.full((12, 3), 1 / 3)), "expected one-hot rows"),
    "one-hot of other classes": ((X, np.eye(5)[Y]), r"received \(\d+, 5\)"),
    "text labels": ((X, np.array(["a"] * 12)), "expected integer labels, received dtype"),
    "different lengths": ((X, Y[:-1]), r"received x \(12, 6\) and y \(11,\)"),
    "empty": ((X[:0], Y[:0]), "received an empty dataset"),
    "another shape": ((X[:, :5], Y), r"x is \(5,\), the model expects \(6,\)"),
    "text": ((X.astype(str), Y), "expected real numbers in x, received dtype"),
}


@pytest.mark.parametrize("as_dataset", [False, True], ids=["arrays", "dataset"])
@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows_in_a_later_task_leave_the_model_untouched(name, as_dataset):
    bad, message = BAD_ROWS[name]
    if as_dataset:
        if name == "different lengths":
            pytest.skip("a dataset of pairs cannot differ in length")
        bad = tf.data.Dataset.from_tensor_slices(bad).batch(5)
    model = tiny()
    before = weights_of(model)
    with pytest.raises(ValueError, match=f"task 2, train: .*{message}"):
        model.fit_tasks([(X, Y), bad], epochs=1, verbose=0)
    assert same_weights(before, weights_of(model))
    assert int(model.tasks_seen) == 0


@pytest.mark.parametrize("split", ["validation", "test"])
def test_bad_rows_that_only_measure_are_refused_as_well(split):
    model = tiny()
    before = weights_of(model)
    task = ccl.Task((X, Y), **{split: with_value(np.nan)})
    with pytest.raises(ValueError, match=f"task 1, {split}: expected finite x"):
        model.fit_tasks([task], epochs=1, verbose=0)
    assert same_weights(before, weights_of(model))


@pytest.mark.parametrize("kind", ["train", "test"])
def test_bad_rows_in_a_later_task_of_a_builder_are_found_before_the_first(kind):
    x, y = rows(12)
    bad = np.where(y[:, None] == 2, np.nan, x)  # in the rows of the last class alone
    splits = {"train": (x, y), "test": (x, y), kind: (bad, y)}
    model = tiny()
    before = weights_of(model)
    with pytest.raises(ValueError, match=f"task 1, {kind}: expected finite x"):
        model.fit_tasks(ccl.streams.split(ccl.Task(**splits), classes_per_task=1), verbose=0)
    assert same_weights(before, weights_of(model))


def test_a_gaussian_likelihood_accepts_any_finite_x():
    model = tiny(likelihood="gaussian")
    model.fit_tasks([with_value(-7.0)], epochs=1, verbose=0)
    assert int(model.tasks_seen) == 1


def test_an_infinite_dataset_needs_steps_per_epoch():
    endless = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).repeat()
    with pytest.raises(
        ValueError, match="task 1, train: an infinite dataset needs steps_per_epoch"
    ):
        tiny().fit_tasks([endless], epochs=1, verbose=0)
    model = tiny()
    model.fit_tasks([endless], epochs=2, steps_per_epoch=3, verbose=0)
    assert int(model.optimizer.iterations) == 6


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (tf.data.Dataset.from_tensor_slices(X), r"expected a dataset of \(x, y\)"),
        (tf.data.Dataset.from_tensor_slices((X, Y, Y, Y)), r"expected a dataset of \(x, y\)"),
        (tf.data.Dataset.from_tensor_slices((X[:, None], Y)).batch(2), "the model expects"),
    ],
    ids=["no labels", "four parts", "another rank"],
)
def test_datasets_of_another_structure(dataset, message):
    with pytest.raises(ValueError, match=f"task 1, train: .*{message}"):
        tiny().fit_tasks([dataset], epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replay": "all"}, "replay: expected one of 'balanced', 'mixed'; received 'all'"),
        ({"replay_inputs": "all"}, "expected one of 'sample', 'mean'; received 'all'"),
        ({"replay_labels": "z"}, "expected one of 'reencoded', 'soft', 'hard'; received 'z'"),
        ({"prior": "vamp"}, "prior: expected one of 'mixture', 'normal'; received 'vamp'"),
        ({"likelihood": "poisson"}, "expected one of 'bernoulli', 'gaussian'"),
        ({"architecture": "resnet"}, "expected one of 'dense', 'convolutional'"),
        ({"distillation_weight": -1.0}, "distillation_weight: expected a finite number >= 0"),
        ({"classification_weight": np.nan}, "classification_weight: expected a finite number"),
        ({"classification_at_mean": 1.1}, r"expected a share in \[0, 1\]; received 1.1"),
        ({"novelty_at_reconstruction": 2}, r"expected a share in \[0, 1\]; received 2"),
        ({"temperature": 0}, "temperature: expected a finite number > 0; received 0"),
        ({"latent_dim": 2.5}, "latent_dim: expected a finite integer > 0; received 2.5"),
    ],
)
def test_unknown_options_of_a_model_list_the_choices(options, message):
    with pytest.raises(ValueError, match=message):
        ccl.CCLGM((6,), 3, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs: expected a finite integer > 0; received 0"),
        ({"epochs": [1, 1]}, "epochs: expected one number per task, 1; received 2"),
        ({"batch_size": -4}, "batch_size: expected a finite integer > 0; received -4"),
        ({"validation_split": 1.0}, r"validation_split: expected a share in \[0, 1\)"),
        ({"optimizer_state": "new"}, "expected one of 'reset', 'keep'; received 'new'"),
        (
            {"learning_rate_decay": "linear"},
            "expected one of 'auto', 'cosine', None; received 'linear'",
        ),
        ({"verbose": 3}, "verbose: expected one of 'auto', 0, 1, 2; received 3"),
    ],
)
def test_unknown_options_of_fit_tasks(options, message):
    with pytest.raises(ValueError, match=message):
        tiny().fit_tasks([(X, Y)], **{"epochs": 1, **options})


@pytest.mark.parametrize(
    "tasks", [(X, Y), ccl.Task((X, Y)), X, 3, [3], [[X]]], ids=lambda t: type(t).__name__
)
def test_what_is_not_a_list_of_tasks_is_refused(tasks):
    with pytest.raises(TypeError, match=r"received"):
        tiny().fit_tasks(tasks, epochs=1)


def test_an_empty_stream_is_refused():
    with pytest.raises(ValueError, match="expected at least one task"):
        tiny().fit_tasks([], epochs=1)


def test_validation_split_needs_arrays():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    with pytest.raises(ValueError, match="task 1, train: validation_split=0.5 needs arrays"):
        tiny().fit_tasks([dataset], epochs=1, validation_split=0.5)


@pytest.mark.parametrize(
    "y",
    [Y, Y[:, None], np.eye(3)[Y], np.eye(3, dtype=bool)[Y], Y.astype("float64"), Y.astype("uint8")],
    ids=["integers", "column", "one-hot", "boolean one-hot", "whole floats", "bytes"],
)
def test_every_form_of_label_means_the_same(y):
    np.testing.assert_array_equal(class_indices(y, 3, "here"), Y)


def test_rows_of_numbers_from_zero_to_one_pass_the_range_check_whatever_their_type():
    spec = DataSpec((6,), 3, True)
    for kind in ("bool", "int64", "float64"):
        x, _ = check_rows((X > 0.5).astype(kind), Y, spec, "here")
        assert x.dtype == np.float32 and set(np.unique(x)) == {0.0, 1.0}
