"""Classes by name: labels are strings or integers, wherever rows come in and answers go out."""

import json

import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.data.labels import LabelBook
from keras_ccl.methods import HEADS, METHODS

NAMES = ["cat", "dog", "eel"]
X, Y = rows(60)
NAMED = np.array(NAMES)[Y]


def named(make=ccl.CCLGM, names=NAMES, **options):
    return tiny(make, num_classes=None, class_names=names, **options)


def head(make, **options):
    return make((6,), feature_count=20, likelihood="bernoulli", seed=0, **options)


def as_generator():
    yield from zip(X, NAMED, strict=True)


FORMS = {
    "array": (X, NAMED),
    "list": (X, NAMED.tolist()),
    "column": (X, NAMED[:, np.newaxis]),
    "objects": (X, NAMED.astype(object)),
    "bytes": (X, NAMED.astype("S")),
    "dataset": tf.data.Dataset.from_tensor_slices((X, NAMED)),
    "batches": tf.data.Dataset.from_tensor_slices((X, NAMED)).batch(32),
    "columns": tf.data.Dataset.from_tensor_slices((X, NAMED[:, np.newaxis])).batch(32),
    "generator": as_generator,
}


WITH_LABELS = [form for form, given in FORMS.items() if isinstance(given, tuple)]


@pytest.mark.parametrize("form", slow_but(FORMS, ["array", "bytes", "batches", "generator"], []))
def test_names_in_any_form_are_the_indices_that_they_stand_for(form):
    by_number, by_name = tiny(), named()
    for model in (by_number, by_name):
        model.compile("adam")
    rows_of_it = FORMS[form] if form in WITH_LABELS else (FORMS[form],)
    found = by_name.evaluate(*rows_of_it, verbose=0, return_dict=True)
    expected = by_number.evaluate(X, Y, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", slow_but(METHODS, ["ccl-gm"], ["ewc"]))
def test_a_method_learns_names_as_it_learns_their_indices(method):
    by_number, by_name = tiny(METHODS[method]), named(METHODS[method])
    halves = [(X[:30], Y[:30], NAMED[:30]), (X[30:], Y[30:], NAMED[30:])]
    numbers = [ccl.Task((x, y), test=(X, Y)) for x, y, _ in halves]
    names = [ccl.Task((x, name), test=(X, NAMED)) for x, _, name in halves]
    told = by_number.fit_tasks(numbers, epochs=1, verbose=0, class_weight={1: 2.0})
    found = by_name.fit_tasks(names, epochs=1, verbose=0, class_weight={"dog": 2.0})
    np.testing.assert_array_equal(found.accuracy, told.accuracy)
    assert same_weights(weights_of(by_number), weights_of(by_name))


@pytest.mark.parametrize("name", slow_but(HEADS, ["ridge"], []))
def test_a_head_learns_names(name):
    if name == "ridge-patches":
        pytest.skip("of images")
    by_number, by_name = head(HEADS[name], num_classes=3), head(HEADS[name], class_names=NAMES)
    by_number.fit_tasks([(X, Y)], verbose=0)
    by_name.fit_tasks([(X, NAMED)], verbose=0)
    assert by_name.class_names == ("cat", "dog", "eel") and by_number.class_names == (0, 1, 2)
    assert same_weights(weights_of(by_number), weights_of(by_name))


def test_every_model_tells_its_classes():
    assert tiny().class_names == (0, 1, 2)
    assert named().class_names == ("cat", "dog", "eel") and named().num_classes == 3
    assert named(names=np.array([30, -1, 20])).class_names == (30, -1, 20)


def test_keras_words_take_names():
    by_number, by_name = tiny(), named()
    for model, y, weight in ((by_number, Y, {0: 3.0}), (by_name, NAMED, {"cat": 3.0})):
        model.compile("adam")
        model.fit(X, y, verbose=0, class_weight=weight, validation_data=(X, y))
        model.train_on_batch(X, y, class_weight=weight)
    assert same_weights(weights_of(by_number), weights_of(by_name))
    assert by_name.test_on_batch(X, NAMED) == by_number.test_on_batch(X, Y)


@pytest.mark.slow
def test_a_saved_model_knows_its_names(tmp_path):
    for names, y in ((NAMES, NAMED), ([10**15, 7, 3], np.array([10**15, 7, 3])[Y])):
        model = named(names=names)
        model.fit_tasks([(X, y)], epochs=1, verbose=0)
        model.save(tmp_path / "m.keras")
        again = ccl.load_model(tmp_path / "m.keras")
        assert again.class_names == tuple(names)
        again.fit_tasks([(X, y)], epochs=1, verbose=0)


@pytest.mark.slow
def test_a_run_goes_on_by_name_and_not_with_other_names(tmp_path):
    tasks = [(X, NAMED), (X[:30], NAMED[:30])]
    named().fit_tasks(tasks, epochs=1, verbose=0, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="class_names: the checkpoint has"):
        other = named(names=["eel", "dog", "cat"])
        other.fit_tasks(tasks, epochs=1, verbose=0, checkpoint_dir=tmp_path)


@pytest.mark.graph
@pytest.mark.slow
def test_artefacts_hold_the_names(tmp_path):
    model = named()
    model.fit_tasks([(X, NAMED)], epochs=1, verbose=0)
    about = ccl.export_student(model, tmp_path / "a", formats="onnx", examples=(X, NAMED))
    written = json.loads((tmp_path / "a" / "model.json").read_text())
    assert written["class_names"] == about["class_names"] == NAMES
    about = ccl.export_student(model, tmp_path / "b", formats="onnx", class_names=["a", "b", "c"])
    assert about["class_names"] == ["a", "b", "c"]


KIND = "expected labels that are strings, as the names of the classes are, received 0 in row 0"
BAD = {
    "numbers": (Y, KIND),
    "unknown": (
        np.where(NAMED == "eel", "owl", NAMED),
        "expected labels among 'cat', 'dog', 'eel', received 'owl' in row 2",
    ),
    "mixed": (["cat", 1] * 30, "all strings or all integers, received 'cat' and 1"),
    "one-hot": (np.eye(3)[Y], "expected labels [N] or [N, 1], received (60, 3)"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_name_is_refused_before_anything_changes(kind):
    labels, told = BAD[kind]
    model = named()
    before = weights_of(model)
    with pytest.raises(ValueError) as refused:
        model.fit_tasks([(X, NAMED), ccl.Task((X, NAMED), test=(X, labels))], verbose=0)
    assert str(refused.value).startswith("task 2, test: ") and told in str(refused.value)
    assert same_weights(before, weights_of(model))


def test_a_dataset_of_other_names_is_refused():
    data = tf.data.Dataset.from_tensor_slices((X, np.where(NAMED == "cat", "owl", NAMED)))
    with pytest.raises(ValueError, match="task 1, train: expected labels among .* 'owl' in row 0"):
        named().fit_tasks([data], verbose=0)


def test_a_generator_of_names_of_any_length_is_read_and_one_of_both_kinds_is_not():
    def generate(last):
        yield from zip(X[:3], ["ox", "horse", last], strict=True)

    model = tiny(num_classes=None)
    model.fit_tasks([lambda: generate("hippopotamus")], epochs=1, verbose=0)
    assert model.class_names == ("hippopotamus", "horse", "ox")
    with pytest.raises(ValueError, match="as in the first element, received"):
        model.fit_tasks([lambda: generate(3)], epochs=1, verbose=0)


def test_strings_are_refused_where_classes_are_numbers():
    with pytest.raises(ValueError, match="task 1, train: expected integer labels"):
        tiny().fit_tasks([(X, NAMED)], verbose=0)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a", "a"], "expected different names, received 'a' twice"),
        ([], "expected different names, received none"),
        (["a", 1], "all strings or all integers, received 'a' and 1"),
        ("abc", "expected a list of names, received 'abc'"),
        ([0.5, 1.5], "expected labels that are strings or integers, received 0.5"),
    ],
)
def test_names_that_are_none_are_refused(names, told):
    with pytest.raises(ValueError, match="class_names: ") as refused:
        ccl.CCLGM((6,), class_names=names)
    assert told in str(refused.value)


def test_a_number_beside_names_is_refused():
    with pytest.raises(ValueError, match="num_classes: expected None beside class_names"):
        ccl.CCLGM((6,), 3, class_names=NAMES)


def test_a_weight_of_no_class_is_refused():
    with pytest.raises(ValueError, match="class_weight: expected classes among .* received 'owl'"):
        named().fit_tasks([(X, NAMED)], class_weight={"owl": 2.0}, verbose=0)


def test_an_open_book_takes_the_names_of_a_task_sorted():
    book = LabelBook(is_open=True).extended(["eel", "cat"], "here").extended(["bee", "eel"], "here")
    assert book.names == ("cat", "eel", "bee")
    assert book.indices(["bee", "cat"], "here").tolist() == [2, 0]
    with pytest.raises(ValueError, match="here: expected labels that are strings"):
        book.extended([3], "here")
