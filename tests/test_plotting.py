"""Figures: they hold the numbers of the history, and are files that open."""

import sys

import numpy as np
import pytest

from keras_ccl import TaskHistory
from keras_ccl.results import drawing
from keras_ccl.results.plotting import (
    plot_comparison,
    plot_history,
    plot_images,
    plot_learning,
    plot_overview,
)


def history_of(rows, tasks_before=0):
    history = TaskHistory(method="CCLGM", tasks_before=tasks_before)
    for k, row in enumerate(rows):
        history.append(f"task {k + 1}", row, [100 * (1 - value) for value in row], {})
    return history


def lines(axes):
    return [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.lines]


def test_the_curves_are_the_figures_of_the_history():
    history = history_of([[0.9, 0.6, 0.9], [0.8, 0.4, 0.7, 0.5]], tasks_before=2)
    matrix, accuracy, elbo = history.plot().axes
    np.testing.assert_array_equal(matrix.images[0].get_array(), history.accuracy[2:, [0, 1, 2, 3]])
    assert [text.get_text() for text in matrix.texts[:3]] == [".900", ".600", ".900"]
    *each, average = lines(accuracy)
    again = [([3, 4], [0.9, 0.8]), ([3, 4], [0.6, 0.4])]
    assert each == [*again, ([3, 4], [0.9, 0.7]), ([4], [0.5])]
    assert average == ([3, 4], pytest.approx([0.8, 0.6]))
    np.testing.assert_allclose(lines(elbo)[-1][1], history.average_negative_elbo[2:])


def test_tasks_that_were_not_measured_have_no_curve():
    matrix, accuracy, _ = history_of([[0.9], [0.7, 0.5]], tasks_before=2).plot().axes
    assert [label.get_text() for label in matrix.get_xticklabels()] == ["3", "4"]
    assert lines(accuracy)[:2] == [([3, 4], [0.9, 0.7]), ([4], [0.5])]
    assert np.isnan(lines(accuracy)[2][1]).all()


def test_samples_are_drawn_row_by_row_in_a_file_that_opens(tmp_path):
    from matplotlib.image import imread

    images = np.zeros((3, 4, 4, 1))
    images[1] = 1.0
    figure = history_of([[0.9], [0.7, 0.5]]).plot(
        tmp_path / "figure.png", samples=[images, 1 - images]
    )
    shown = figure.axes[3].images[0].get_array()
    assert shown.shape == (8, 12)
    np.testing.assert_array_equal(shown[::4, ::4], [[0, 1, 0], [1, 0, 1]])
    assert imread(tmp_path / "figure.png").std() > 0


def test_a_comparison_shows_mean_and_spread_over_seeds():
    runs = [history_of([[0.9], [0.7, 0.5]]), history_of([[0.8], [0.5, 0.5]])]
    left, _ = plot_comparison({"ccl-gm": runs}).axes
    assert [text.get_text() for text in left.texts] == ["ccl-gm 0.550"]
    np.testing.assert_allclose(lines(left)[0][1], [0.85, 0.55])
    corners = left.collections[0].get_paths()[0].vertices
    assert {0.8, 0.9} <= set(corners[corners[:, 0] == 1, 1])


def test_a_missing_matplotlib_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "keras-ccl\[plot\]"'):
        history_of([[0.9]]).plot()


def test_images_are_drawn_a_row_a_label(tmp_path):
    rows = {"test": np.ones((5, 4, 4, 1)), "generated": np.zeros((5, 4, 4))}
    figure = plot_images(rows, tmp_path / "images.png")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["test", "generated"]
    np.testing.assert_array_equal(axes.images[0].get_array()[::4, 0], [1, 0])


def test_an_axis_of_accuracy_begins_at_0_or_says_where():
    history = history_of([[0.97]])
    for axes in (plot_history(history).axes[1], plot_comparison({"any": [history]}).axes[0]):
        assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == "accuracy"
    for axes in (
        plot_history(history, floor=0.9).axes[1],
        plot_comparison({"any": [history]}, floor=0.9).axes[0],
    ):
        assert axes.get_ylim()[0] == 0.9
        assert axes.get_ylabel() == "accuracy (the axis begins at 0.9)"


def test_no_two_methods_have_the_same_marker_and_joint_training_is_dashed():
    names = [f"method {k}" for k in range(10)] + ["joint"]
    left, _ = plot_comparison({name: [history_of([[0.5]])] for name in names}).axes
    *others, joint = left.lines
    assert len({line.get_marker() for line in others}) == 10
    assert joint.get_linestyle() == "--" and joint.get_marker() == "None"
    heights = sorted(text.xyann[1] for text in left.texts)
    assert len(heights) == 11 and np.diff(heights).min() > 0.05


def test_labels_are_moved_apart_and_no_further():
    found = drawing.spread([0.1, 0.5, 0.52, 0.99], 0.05, 1.0)
    np.testing.assert_allclose(found, [0.1, 0.5, 0.55, 0.99])
    np.testing.assert_allclose(drawing.spread([0.98, 0.99], 0.05, 1.0), [0.95, 1.0])


def test_a_method_without_a_bound_is_in_no_panel_of_bounds():
    head = TaskHistory(method="LDA", seed=3)
    head.append("one", [0.5], [np.nan], {})
    figure = head.plot()
    assert len(figure.axes) == 2 and figure.get_suptitle() == "LDA, seed 3"
    left, right = plot_comparison({"lda": [head]}).axes
    assert len(left.lines) == 1 and not right.lines


def test_what_was_not_measured_is_drawn_empty_and_no_task_is_refused():
    unmeasured = TaskHistory(method="any")
    unmeasured.append("one", [np.nan], [np.nan], {})
    matrix, _ = unmeasured.plot().axes
    assert np.ma.getmaskarray(matrix.images[0].get_array()).all() and not matrix.texts
    for draw in (plot_history, plot_learning):
        with pytest.raises(ValueError, match="history: expected at least one task"):
            draw(TaskHistory(method="any"))


def test_an_overview_stands_above_what_is_generated():
    dreams = {"after one": np.ones((3, 4, 4, 1)), "after two": np.zeros((3, 4, 4, 1))}
    figure = plot_overview({"ccl-gm": [history_of([[0.9]])]}, dreams, title="any")
    above, below = figure.axes
    assert figure.get_suptitle() == "any" and lines(above)[0] == ([1], [0.9])
    assert below.images[0].get_array().shape == (8, 12)


@pytest.mark.parametrize("label", ["a", "after classes T-shirt/top, Trouser"])
@pytest.mark.parametrize("rows", [1, 9])
def test_images_and_their_labels_are_inside_the_frame(label, rows):
    figure = plot_images({f"{label} {k}": np.ones((16, 8, 8)) for k in range(rows)})
    figure.draw_without_rendering()
    (axes,), frame = figure.axes, figure.bbox
    parts = [axes.images[0], *axes.get_yticklabels()]
    for part in parts:
        box = part.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= frame.x1 + 1 and box.y1 <= frame.y1 + 1


def test_learning_curves_go_on_from_task_to_task():
    history = TaskHistory(method="any", tasks_before=1)
    history.append("two", [0.5], [1.0], {"loss": [3, 2], "accuracy": [0.1, 0.4]})
    history.append("three", [0.5] * 2, [1.0] * 2, {"loss": [5], "accuracy": [0.2]})
    loss, accuracy = plot_learning(history).axes
    drawn = [line for line in loss.lines if line.get_marker() == "."]
    assert [line.get_xdata().tolist() for line in drawn] == [[1, 2], [3]]
    assert [list(line.get_ydata()) for line in drawn] == [[3, 2], [5]]
    assert [text.get_text() for text in loss.texts] == ["2", "3"]
    assert accuracy.get_ylim()[0] == 0
