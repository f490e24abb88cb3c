"""Rows without a label, in every form that labels come in: what is read, counted and refused."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.data.keras_rows import weigh_classes

NAMES = np.array(["cat", "dog", "eel"])
X, Y = rows(60)
MISSING = np.arange(60) % 4 == 1
SOME = np.where(MISSING, -1, Y)
NONE_AMONG = [None if missing else int(y) for missing, y in zip(MISSING, Y, strict=True)]
NAMED = [None if missing else str(NAMES[y]) for missing, y in zip(MISSING, Y, strict=True)]
ONE_HOT = np.eye(3)[Y] * ~MISSING[:, np.newaxis]
TEXT = np.array(["" if name is None else name for name in NAMED])


def dataset(y):
    return tf.data.Dataset.from_tensor_slices((X, y))


def generated(y):
    return lambda: zip(X, y, strict=True).__iter__()


class Batches(keras.utils.PyDataset):
    def __init__(self, y):
        super().__init__()
        self.y = y

    def __len__(self):
        return 2

    def __getitem__(self, k):
        return X[30 * k : 30 * k + 30], np.array(self.y[30 * k : 30 * k + 30], object)


NUMBERS = {
    "array": (X, SOME),
    "floats": (X, SOME.astype("float32")),
    "column": (X, SOME[:, np.newaxis]),
    "None in a list": (X, NONE_AMONG),
    "NaN among objects": (X, np.array([np.nan if y is None else y for y in NONE_AMONG], object)),
    "one-hot": (X, ONE_HOT),
    "dataset": dataset(SOME),
    "batches": dataset(SOME).batch(32),
    "one-hot batches": dataset(ONE_HOT).batch(32),
    "None from a generator": generated(NONE_AMONG),
    "None from a PyDataset": Batches(NONE_AMONG),
}
STRINGS = {
    "None in a list": (X, NAMED),
    "None among objects": (X, np.array(NAMED, object)),
    "empty strings": (X, TEXT),
    "dataset": dataset(TEXT),
    "batches": dataset(TEXT).batch(32),
    "None from a generator": generated(NAMED),
    "None first": generated([None, *NAMED[1:]]),
    "None from a PyDataset": Batches(NAMED),
}


def labels_read(model, form):
    """The class indices of the rows of a task, as a step gets them."""
    model.compile("adam")
    read = []

    def keep(rows, **_):
        read.extend(y.numpy() for _, y, *_ in rows)
        return SimpleNamespace(params={})

    model.keras_fit = keep
    model.fit(*form if isinstance(form, tuple) else (form,), shuffle=False, verbose=0)
    return np.concatenate(read)


@pytest.mark.parametrize("form", NUMBERS)
def test_a_row_without_a_label_is_read_in_every_form(form):
    np.testing.assert_array_equal(labels_read(tiny(), NUMBERS[form]), SOME)


@pytest.mark.parametrize("form", STRINGS)
@pytest.mark.parametrize("given", [{"class_names": ["cat", "dog", "eel"]}, {}], ids=["told", "met"])
def test_a_row_without_a_name_is_read_in_every_form(form, given):
    expected = SOME.copy()
    expected[0] = -1 if form == "None first" else expected[0]
    model = tiny(num_classes=None, **given)
    np.testing.assert_array_equal(labels_read(model, STRINGS[form]), expected)
    assert model.class_names == ("cat", "dog", "eel")


def test_integers_that_name_the_classes_leave_minus_one_to_no_label():
    model = tiny(num_classes=None)
    model.fit_tasks([(X, SOME)], epochs=1, verbose=0)
    assert model.class_names == (0, 1, 2)


def test_minus_one_is_a_class_where_it_is_told_as_one_and_none_marks_no_label():
    names = np.array([1, -1, 5])
    model = tiny(num_classes=None, class_names=names)
    marked = [None if missing else int(y) for missing, y in zip(MISSING, names[Y], strict=True)]
    np.testing.assert_array_equal(labels_read(model, (X, marked)), SOME)
    model = tiny(num_classes=None, class_names=names)
    np.testing.assert_array_equal(labels_read(model, dataset(names[Y])), Y)


@pytest.mark.release
def test_a_later_task_without_any_name_is_read_whatever_marks_it():
    for nothing in (np.full(60, -1), [None] * 60, np.full(60, "")):
        model = tiny(num_classes=None)
        history = model.fit_tasks([(X, NAMED), (X, nothing)], epochs=1, verbose=0)
        assert history.unlabelled == [15, 60] and model.class_names == ("cat", "dog", "eel")


REFUSED = {
    "minus two": ((X, np.where(MISSING, -2, Y)), "expected labels from 0 to 2, received -2 in row"),
    "NaN": ((X, np.where(MISSING, np.nan, Y)), "expected integer labels, received nan in row 1"),
    "a dataset of -2": (dataset(np.where(MISSING, -2, Y)), "expected labels from 0 to 2, received"),
    "two ones": ((X, ONE_HOT + np.eye(3)[(Y + 1) % 3]), "a single 1 among 0, received"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_marks_are_refused(case):
    data, told = REFUSED[case]
    with pytest.raises(ValueError, match="task 1, train: ") as refused:
        tiny().fit_tasks([data], epochs=1, verbose=0)
    assert told in str(refused.value)


def test_a_number_among_strings_is_refused_with_the_mark_that_is_meant():
    with pytest.raises(ValueError, match="received 'cat' and -1; None marks a row without a label"):
        tiny(num_classes=None).fit_tasks([(X, ["cat", -1] * 30)], verbose=0)


@pytest.mark.parametrize("make", [ccl.CCLGM, ccl.EWC, ccl.RandomFeatureRidge])
@pytest.mark.parametrize("word", ["fit", "fit_tasks", "held out", "function"])
def test_a_first_task_without_any_label_is_refused_before_anything_changes(make, word):
    head = make is ccl.RandomFeatureRidge
    options = {"feature_count": 20, "likelihood": "bernoulli"}
    model = make((6,), 3, **options) if head else tiny(make)
    model.compile("adam")
    before, none = weights_of(model), np.full(60, -1)
    last = np.where(np.arange(60) < 50, -1, Y)
    with pytest.raises(ValueError, match="task 1, train: expected a label on at least one row"):
        if word == "fit":
            model.fit(X, none, verbose=0)
        elif word == "held out":
            model.fit_tasks([(X, last)], validation_split=0.5, verbose=0)
        else:
            data = (X, none)
            model.fit_tasks([(lambda: data) if word == "function" else data], verbose=0)
    assert same_weights(before, weights_of(model))


def test_the_history_tells_how_many_rows_had_no_label():
    tasks = [(X, SOME), (X, Y), (X, np.full(60, -1))]
    history = tiny().fit_tasks(tasks, epochs=1, verbose=0)
    assert history.unlabelled == [15, 0, 60]
    assert ccl.TaskHistory.from_json(history.to_json()).unlabelled == [15, 0, 60]
    older = json.loads(history.to_json())
    del older["unlabelled"]
    assert ccl.TaskHistory.from_json(json.dumps(older)).unlabelled == [0, 0, 0]
    model = tiny()
    model.compile("adam")
    assert model.fit(X, SOME, verbose=0).params["unlabelled"] == 15


def test_a_class_weight_is_of_labelled_rows():
    weighed = weigh_classes(dataset(SOME).batch(60), [2.0, 3.0, 4.0])
    ((_, _, weight),) = weighed.as_numpy_iterator()
    np.testing.assert_array_equal(weight, np.where(MISSING, 1.0, Y + 2.0))


def test_accuracy_and_metrics_are_of_labelled_rows():
    class Mine(keras.metrics.Metric):
        """The mean probability of the label, of a metric that takes no weights."""

        def __init__(self):
            super().__init__(name="mine")
            weights = (self.add_weight(name=k, initializer="zeros") for k in ("sum", "rows"))
            self.sum, self.rows = weights

        def update_state(self, y_true, y_pred):
            self.sum.assign_add(tf.reduce_sum(y_true * y_pred))
            self.rows.assign_add(tf.cast(tf.shape(y_true)[0], tf.float32))

        def result(self):
            return self.sum / self.rows

    model = tiny()
    measured = ["acc", "sparse_top_k_categorical_accuracy", keras.metrics.AUC(name="auc"), Mine()]
    model.compile("adam", metrics=measured, weighted_metrics=[keras.metrics.Recall(name="recall")])
    names = ["accuracy", "acc", "sparse_top_k_categorical_accuracy", "auc", "mine", "recall"]
    weight = np.linspace(0, 1, 60)
    for given in ({}, {"sample_weight": weight}):
        of_labelled = {k: w[~MISSING] for k, w in given.items()}
        found = model.evaluate(X, SOME, verbose=0, return_dict=True, **given)
        kept = (X[~MISSING], Y[~MISSING])
        expected = model.evaluate(*kept, verbose=0, return_dict=True, **of_labelled)
        assert [found[k] for k in names] == pytest.approx([expected[k] for k in names], rel=1e-5)
    whole = model.evaluate(X, Y, verbose=0, return_dict=True)
    found = model.evaluate(X, SOME, verbose=0, return_dict=True)
    assert found["negative_elbo"] == pytest.approx(whole["negative_elbo"])


def test_test_rows_without_any_label_have_no_accuracy_and_a_bound():
    task = ccl.Task((X, SOME), validation=(X, SOME), test=(X, np.full(60, -1)))
    history = tiny().fit_tasks([task], epochs=1, verbose=0)
    assert np.isnan(history.accuracy[0, 0]) and np.isfinite(history.negative_elbo[0, 0])
    assert np.isfinite(history.epochs[0]["val_accuracy"]).all()


@pytest.mark.slow
def test_a_stream_may_lack_labels_and_tells_how_many():
    model = tiny(seed=1)
    first, second = np.tile(X, (20, 1)), np.tile(X[:, ::-1], (20, 1))
    y = np.tile(SOME, 20)
    y[:512] = np.tile(Y, 20)[:512]  # of the first block every row has one
    stream = np.concatenate([first, second]), np.concatenate([y, np.tile(SOME, 20)])
    options = {"hand_over": 1200, "repeats": 2, "epochs": 2, "verbose": 0}
    history = model.fit_stream(stream, test=[ccl.Task(None, test=(X, Y))], **options)
    assert history.unlabelled == [int((y == -1).sum()), 300] and min(history.unlabelled) > 0
    assert json.loads(history.to_json())["unlabelled"] == history.unlabelled
    assert np.isfinite(history.accuracy).all()
    assert all(np.isfinite(weight).all() for weight in weights_of(model))


def test_a_model_is_calibrated_on_labelled_rows():
    model = tiny()
    model.fit_tasks([(X, Y)], epochs=1, verbose=0)
    of_labelled = model.calibrate((X[~MISSING], Y[~MISSING]))
    assert model.calibrate((X, SOME)) == of_labelled
    with pytest.raises(ValueError, match="calibrate: expected rows with labels"):
        model.calibrate((X, np.full(60, -1)))
    assert model.calibration == of_labelled
