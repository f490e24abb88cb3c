"""TaskHistory: rows in, matrices and strict JSON out."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_ccl import TaskHistory

NAN = float("nan")


@pytest.fixture
def history():
    history = TaskHistory(method="CCLGM", options={"latent_dim": 2}, seed=7)
    history.append("one", [0.9], [100.0], {"loss": [3.0, 2.0]})
    history.append("two", [0.7, np.float32(0.5)], [110.0, 120.0], {"loss": [2.5, NAN]})
    return history


def test_rows_become_matrices_with_nothing_above_the_diagonal(history):
    np.testing.assert_array_equal(history.accuracy, [[0.9, NAN], [0.7, 0.5]])
    np.testing.assert_array_equal(history.negative_elbo, [[100.0, NAN], [110.0, 120.0]])
    np.testing.assert_allclose(history.average_accuracy, [0.9, 0.6])
    np.testing.assert_allclose(history.average_negative_elbo, [100.0, 115.0])


def test_json_is_strict_and_has_null_where_nothing_was_measured(history, tmp_path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = history.to_json(tmp_path / "history.json")
    content = json.loads(text, parse_constant=refuse)
    assert (tmp_path / "history.json").read_text() == text
    assert content["accuracy"] == [[0.9, None], [0.7, 0.5]]
    assert content["negative_elbo"] == [[100.0, None], [110.0, 120.0]]
    assert content["average_accuracy"] == pytest.approx([0.9, 0.6])
    assert content["options"] == {"latent_dim": 2} and content["seed"] == 7
    assert content["epochs"][1]["loss"] == [2.5, None]


def test_json_comes_back_as_it_was(history):
    again = TaskHistory.from_json(history.to_json())
    assert again.to_json() == history.to_json()
    np.testing.assert_array_equal(again.accuracy, history.accuracy)


def test_tasks_learnt_before_have_rows_and_columns_that_say_so():
    history = TaskHistory(method="CCLGM", tasks_before=1)
    history.append("two", [0.7], [1.0], {})
    history.append("three", [0.6, 0.5, 0.8], [1.0, 2.0, 3.0], {})
    np.testing.assert_array_equal(history.accuracy, [[NAN] * 3, [NAN, 0.7, NAN], [0.6, 0.5, 0.8]])
    np.testing.assert_allclose(history.average_accuracy, [NAN, NAN, 1.9 / 3])
    assert np.isnan(history.forgetting[1:]).all() and np.isnan(history.backward_transfer)
    assert TaskHistory.from_json(history.to_json()).to_json() == history.to_json()
    _, second, third = history.table().splitlines()
    assert second.split() == ["two", "nan", "0.7000", "nan", "nan", "nan"]
    assert third.split()[:4] == ["three", "0.6000", "0.5000", "0.8000"]


def test_an_interrupted_write_leaves_the_earlier_file(history, tmp_path, monkeypatch):
    path = tmp_path / "history.json"
    before = history.to_json(path)
    history.append("three", [0.1] * 3, [1.0] * 3, {})

    def half(self, text):
        with self.open("w") as file:
            file.write(text[:20])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="no space"):
        history.to_json(path)
    assert path.read_text() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"method": 1}', "null"])
def test_another_text_is_refused(text):
    with pytest.raises(ValueError, match="not the JSON of a TaskHistory"):
        TaskHistory.from_json(text)


def test_a_row_of_another_length_is_refused_and_changes_nothing(history):
    with pytest.raises(ValueError, match="task 3: expected 3 values of accuracy, received 2"):
        history.append("three", [0.1, 0.2], [1.0] * 3, {})
    assert len(history) == 2 and history.task_names == ["one", "two"]


def test_the_table_shows_every_figure(history):
    head, first, second = history.table().splitlines()
    assert " ".join(head.split()) == "after task 1 task 2 average forgetting neg. ELBO"
    assert first.split() == ["one", "0.9000", "0.9000", "0.0000", "100.00"]
    assert second.split() == ["two", "0.7000", "0.5000", "0.6000", "0.2000", "115.00"]
