"""Figures: they hold the numbers of the history, and are files that open."""

import sys

import numpy as np
import pytest

from keras_ccl import TaskHistory
from keras_ccl.results.plotting import plot_comparison, plot_images


def history_of(rows, tasks_before=0):
    history = TaskHistory(method="CCLGM", tasks_before=tasks_before)
    for k, row in enumerate(rows):
        history.append(f"task {k + 1}", row, [100 * (1 - value) for value in row], {})
    return history


def lines(axes):
    return [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.lines]


def test_the_curves_are_the_figures_of_the_history():
    history = history_of([[0.9, 0.6, 0.9], [0.8, 0.4, 0.7, 0.5]], tasks_before=2)
    accuracy, elbo = history.plot().axes
    *each, average = lines(accuracy)
    again = [([3, 4], [0.9, 0.8]), ([3, 4], [0.6, 0.4])]
    assert each == [*again, ([3, 4], [0.9, 0.7]), ([4], [0.5])]
    assert average == ([3, 4], pytest.approx([0.8, 0.6]))
    np.testing.assert_allclose(lines(elbo)[-1][1], history.average_negative_elbo[2:])


def test_tasks_that_were_not_measured_have_no_curve():
    accuracy, _ = history_of([[0.9], [0.7, 0.5]], tasks_before=2).plot().axes
    assert lines(accuracy)[:2] == [([3, 4], [0.9, 0.7]), ([4], [0.5])]
    assert np.isnan(lines(accuracy)[2][1]).all()


def test_samples_are_drawn_row_by_row_in_a_file_that_opens(tmp_path):
    from matplotlib.image import imread

    images = np.zeros((3, 4, 4, 1))
    images[1] = 1.0
    figure = history_of([[0.9], [0.7, 0.5]]).plot(
        tmp_path / "figure.png", samples=[images, 1 - images]
    )
    shown = figure.axes[2].images[0].get_array()
    assert shown.shape == (8, 12)
    np.testing.assert_array_equal(shown[::4, ::4], [[0, 1, 0], [1, 0, 1]])
    assert imread(tmp_path / "figure.png").std() > 0


def test_a_comparison_shows_mean_and_spread_over_seeds():
    runs = [history_of([[0.9], [0.7, 0.5]]), history_of([[0.8], [0.5, 0.5]])]
    left, _ = plot_comparison({"ccl-gm": runs}).axes
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
