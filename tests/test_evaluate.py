"""`evaluate` and `TaskHistory.report`: what a model answers on test rows, and how it is told."""

import json
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl
from keras_ccl import uncertainty

X, Y = rows(60)
U, V = rows(45, seed=1)
STREAM = ccl.streams.split(ccl.Task((X, Y), test=(U, V)), classes_per_task=2)
FAR = 1 - U[:20]


@pytest.fixture(scope="module")
def taught():
    """A model that is calibrated, and its history, for tests that change nothing."""
    model = tiny()
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit_tasks(STREAM, epochs=1, batch_size=30, verbose=0)
    model.calibrate((X[Y == 2], Y[Y == 2]))
    return model, history


@pytest.fixture(scope="module")
def found(taught):
    return ccl.evaluate(taught[0], STREAM, unfamiliar=FAR)


@pytest.fixture(scope="module")
def head():
    model = ccl.NearestClassMean((6,), 3)
    model.fit_tasks(STREAM, verbose=0)
    return model


def test_it_measures_what_identify_answers(taught, found):
    model, history = taught
    np.testing.assert_allclose(found.accuracy, history.accuracy[-1])
    first, last = U[V < 2], U[V == 2]
    answer, y = model.identify(np.concatenate([first, last])), np.r_[V[V < 2], V[V == 2]]
    np.testing.assert_allclose(found.probabilities, answer.probabilities, atol=1e-6)
    np.testing.assert_array_equal(found.labels, y)
    pairs = [[((y == i) & (answer.label == j)).sum() for j in range(3)] for i in range(3)]
    np.testing.assert_array_equal(found.confusion_matrix, pairs)
    error = uncertainty.expected_calibration_error(answer.probabilities, y)
    assert found.certainty["expected_calibration_error"] == pytest.approx(error, abs=1e-6)
    area = uncertainty.auroc(answer.familiarity, model.familiarity(FAR))
    assert found.certainty["auroc"] == pytest.approx(area, abs=1e-6)
    parts = np.split(answer.familiar, [len(first)])
    np.testing.assert_allclose(found.familiar, [part.mean() for part in parts])


def test_the_model_stays_as_it_is_and_only_test_rows_are_read(taught):
    model, _ = taught
    before = weights_of(model)
    unread = [ccl.Task(lambda: 1 / 0, validation=lambda: 1 / 0, test=(U, V))]
    assert len(ccl.evaluate(model, unread).labels) == len(V)
    assert same_weights(before, weights_of(model))


def test_rows_without_a_label_are_left_out(head):
    some = ccl.Task(None, test=(U, np.where(np.arange(len(V)) % 2, V, -1)))
    result, known = ccl.evaluate(head, some), ccl.Task(None, test=(U[1::2], V[1::2]))
    np.testing.assert_array_equal(result.labels, V[1::2])
    assert result.average_accuracy == ccl.evaluate(head, known).average_accuracy


FORMS = {
    "a task": ccl.Task(None, test=(U, V)),
    "a list": [ccl.Task(None, test=(U, V))],
    "a dataset": types.SimpleNamespace(test=(U, V), name="any"),
    "rows of tf.data": ccl.Task(None, test=tf.data.Dataset.from_tensor_slices((U, V)).batch(7)),
    "a function": ccl.Task(None, test=lambda: (U, V)),
}


@pytest.mark.parametrize("form", slow_but(FORMS, each_time=["a dataset", "rows of tf.data"]))
def test_every_form_of_a_task_is_measured_alike(form, head):
    result = ccl.evaluate(head, FORMS[form])
    np.testing.assert_array_equal(np.sort(result.labels), np.sort(V))
    expected = (head.predict(U, verbose=0).argmax(1) == V).mean()
    assert result.average_accuracy == pytest.approx(expected)


def test_a_head_that_grew_is_measured_by_names_and_without_familiarity(tmp_path):
    names = np.array(["low", "mid", "top"])
    named = ccl.Task((X, names[Y]), test=(U, names[V]))
    model = ccl.NearestClassMean((6,))
    model.fit_tasks(ccl.streams.split(named), verbose=0)
    result = ccl.evaluate(model, named)
    assert result.class_names == ("low", "mid", "top") and result.familiarity is None
    assert np.isnan(result.negative_elbo).all() and np.isnan(result.familiar).all()
    table = result.table()
    assert "nan" not in table and all(name in table for name in ("low", "mid", "not calibrated"))
    assert len(result.plot(tmp_path / "figure.png").axes) == 3
    with pytest.raises(ValueError, match="unfamiliar: expected a model that knows p.x., received"):
        ccl.evaluate(model, named, unfamiliar=FAR)


REFUSED = {
    "a model of Keras": (
        lambda _: ccl.evaluate(keras.Model(), STREAM),
        "expected a model of keras",
    ),
    "no tasks": (lambda m: ccl.evaluate(m, []), "evaluate: expected at least one task"),
    "rows": (lambda m: ccl.evaluate(m, (U, V)), "task 1: expected Task.* received ndarray"),
    "no test rows": (
        lambda m: ccl.evaluate(m, [STREAM[0], ccl.Task((X, Y))]),
        "evaluate, task 2: expected test rows, received None",
    ),
    "another shape": (
        lambda m: ccl.evaluate(m, ccl.Task(None, test=(U[:, :5], V))),
        r"task 1, test: x is \(5,\), the model expects \(6,\)",
    ),
    "no labels": (
        lambda m: ccl.evaluate(m, ccl.Task(None, test=(U, np.full_like(V, -1)))),
        "task 1, test: expected a row with a label",
    ),
    "another class": (lambda m: ccl.evaluate(m, ccl.Task(None, test=(U, V + 1))), "task 1, test: "),
    "far rows of another shape": (
        lambda m: ccl.evaluate(m, STREAM, unfamiliar=FAR[:, :5]),
        r"unfamiliar: x is \(5,\)",
    ),
    "far rows that are none": (
        lambda m: ccl.evaluate(m, STREAM, unfamiliar=FAR[:0]),
        "unfamiliar: expected at least one row",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case, taught):
    call, message = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=message):
        call(taught[0])


def by_hand():
    """Four rows of the first two of three classes; one of them is called wrongly."""
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1]])
    return ccl.Evaluation(
        method="any",
        seed=0,
        tasks_seen=1,
        task_names=("one", "two"),
        class_names=("a", "b", "c"),
        accuracy=np.array([0.5, 1.0]),
        negative_elbo=np.array([1.0, np.nan]),
        task=np.array([0, 0, 1, 1]),
        labels=np.array([0, 0, 1, 1]),
        probabilities=probabilities,
    )


def test_an_evaluation_by_hand(tmp_path):
    result = by_hand()
    np.testing.assert_array_equal(result.confusion_matrix, [[1, 0, 1], [0, 2, 0], [0, 0, 0]])
    np.testing.assert_array_equal(result.recall, [0.5, 1, np.nan])
    assert result.average_accuracy == 0.75
    lines = [line.split() for line in result.table().splitlines()]
    assert ["a", "2", "0.5000", "c", "(1)"] in lines and ["c", "0"] in lines
    content = json.loads(result.to_json(tmp_path / "evaluation.json"))
    assert json.loads((tmp_path / "evaluation.json").read_text()) == content
    assert content["recall"] == [0.5, 1.0, None] and content["negative_elbo"] == [1.0, None]
    expected = -np.log([0.8, 0.2, 0.8, 0.6]).mean()
    assert content["certainty"]["negative_log_likelihood"] == pytest.approx(expected)


def test_its_figure_shows_what_it_holds(found):
    confusion, recall, reliability, familiarity = found.plot(title="any").axes
    np.testing.assert_allclose(confusion.images[0].get_array(), found.confusion_shares)
    np.testing.assert_allclose([bar.get_width() for bar in recall.patches], found.recall)
    assert f"ECE {found.certainty['expected_calibration_error']:.4f}" in reliability.get_title(
        "left"
    )
    assert reliability.get_ylim()[0] == 0
    assert familiarity.lines[0].get_xdata()[0] == found.threshold
    styles = [patch.get_linestyle() for patch in familiarity.patches]
    assert len(set(styles)) == 2


def test_a_report_is_text_and_a_folder_of_figures(taught, found, tmp_path):
    _, history = taught
    text = history.report(tmp_path / "new" / "report", evaluation=found, title="any title")
    assert text.startswith("any title\n") and history.table() in text and found.table() in text
    assert f"average accuracy {history.average_accuracy[-1]:.4f}" in text
    assert text == history.report(evaluation=found, title="any title")
    folder = tmp_path / "new" / "report"
    figures = {f"{name}.png" for name in ("history", "learning", "evaluation")}
    beside = {"report.md", "history.json", "evaluation.json"}
    assert {path.name for path in folder.iterdir()} == figures | beside
    page = (folder / "report.md").read_text()
    assert text.partition("\n\n")[2] in page and all(f"({name})" in page for name in figures)


def test_a_report_without_matplotlib_is_text_and_writes_nothing(taught, tmp_path, monkeypatch):
    _, history = taught
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"keras-ccl\[plot\]"):
        history.report(tmp_path / "report")
    assert not list(tmp_path.iterdir()) and history.table() in history.report()
