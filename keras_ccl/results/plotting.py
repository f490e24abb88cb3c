"""Figures of results. matplotlib is optional and imported only when a figure is drawn.

An axis of accuracy ends at 1, and begins at 0 or at a floor that it names. Lines have their names
at their ends and markers of their own. Joint training is a dashed line.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_ccl.results import drawing
from keras_ccl.results.comparison_figures import plot_comparison, plot_overview
from keras_ccl.results.evaluation_figure import plot_evaluation
from keras_ccl.results.history_figures import plot_history, plot_learning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "plot_comparison",
    "plot_evaluation",
    "plot_history",
    "plot_images",
    "plot_learning",
    "plot_overview",
]


def plot_images(rows: Mapping[str, np.ndarray], path: str | os.PathLike | None = None) -> "Figure":
    """Draw images, one row for each label.

    Args:
        rows: For each label the images of its row, `[n, height, width]` or
            `[n, height, width, channels]`, with the same n for all.
        path: A file to save the figure to.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    figure = drawing.new_figure(drawing.height_of(rows) + 0.2)
    drawing.draw_images(figure.subplots(), rows)
    return drawing.save_figure(figure, path)
