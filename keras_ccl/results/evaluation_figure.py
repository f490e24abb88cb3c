"""The figure of an `Evaluation`: confusion, recall by class, reliability, familiarity."""

import os
from typing import TYPE_CHECKING

import numpy as np

from keras_ccl.results import drawing, uncertainty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from keras_ccl.results.evaluation import Evaluation


def plot_evaluation(
    evaluation: "Evaluation", path: str | os.PathLike | None = None, *, title: str | None = None
) -> "Figure":
    """Plot the confusion matrix, recall by class, reliability, and familiarity where it is known.

    Args:
        evaluation: What `ccl.evaluate` returned.
        path: A file to save the figure to.
        title: What stands above the figure, such as method, data and seed; by default the method
            and the seed.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    figure = drawing.new_figure(7.4, title or drawing.named(evaluation))
    grid = figure.add_gridspec(2, 2)
    _draw_confusion(figure.add_subplot(grid[0, 0]), evaluation)
    _draw_recall(figure.add_subplot(grid[0, 1]), evaluation)
    _draw_reliability(figure.add_subplot(grid[1, 0]), evaluation)
    if evaluation.familiarity is not None:
        _draw_familiarity(figure.add_subplot(grid[1, 1]), evaluation.familiarity, evaluation)
    return drawing.save_figure(figure, path)


def _draw_confusion(axes: "Axes", evaluation: "Evaluation") -> None:
    names = evaluation.class_names
    drawing.draw_matrix(axes, evaluation.confusion_shares, names, names, least=5e-4)
    axes.set_title("(a) share of the rows of a class", fontsize=10, loc="left")
    axes.set_xlabel("called")
    axes.set_ylabel("class")
    axes.tick_params(axis="x", rotation=0 if _are_short(names) else 90)


def _draw_recall(axes: "Axes", evaluation: "Evaluation") -> None:
    places = np.arange(len(evaluation.class_names))
    axes.barh(places, np.nan_to_num(evaluation.recall), color=drawing.FIRST, height=0.7)
    drawing.label_axes(axes, "(b) recall by class", "recall", "")
    axes.set_xlim(0, 1.12)
    axes.invert_yaxis()
    if len(places) <= drawing.MOST_NAMES:
        axes.set_yticks(places, [str(name) for name in evaluation.class_names], fontsize=8)
        for place, value in zip(places, evaluation.recall, strict=True):
            text = f"{value:.3f}" if np.isfinite(value) else "no rows"
            axes.text(float(np.nan_to_num(value)) + 0.01, int(place), text, va="center", fontsize=8)


def _draw_reliability(axes: "Axes", evaluation: "Evaluation") -> None:
    found = uncertainty.reliability(evaluation.probabilities, evaluation.labels)
    bins = len(found.rows)
    edges = np.arange(bins) / bins
    shares = found.rows / found.rows.sum()
    axes.bar(edges, shares, 1 / bins, align="edge", color="0.85", label="share of rows")
    axes.plot([0, 1], [0, 1], label="as sure as right", **drawing.BOUND)
    known = found.rows > 0
    confidence, accuracy, rows = (values[known] for values in found)
    low, high = _wilson(accuracy, rows)
    away = np.maximum([accuracy - low, high - accuracy], 0)  # of rounding
    label = "accuracy, 95 % interval"
    axes.errorbar(confidence, accuracy, away, fmt="o", color=drawing.FIRST, label=label)
    error = evaluation.certainty["expected_calibration_error"]
    how = "not calibrated" if evaluation.temperature is None else "calibrated"
    title = f"(c) reliability, {how}: ECE {error:.4f}"
    drawing.label_axes(axes, title, "probability of the most likely class", "accuracy")
    axes.set_xlim(0, 1)
    drawing.from_floor(axes, 0.0)
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _draw_familiarity(axes: "Axes", familiarity: np.ndarray, evaluation: "Evaluation") -> None:
    """Draw the share of rows by familiarity, of all but the least familiar thousandth."""
    given = [familiarity] + ([] if evaluation.unfamiliar is None else [evaluation.unfamiliar])
    low = min(np.quantile(values, 0.001 if k == 0 else 0.05) for k, values in enumerate(given))
    edges = np.linspace(low, max(values.max() for values in given), 41)
    styles = ("-", drawing.FIRST, "test rows"), ("--", drawing.SECOND, "unfamiliar rows")
    for values, (line, color, name) in zip(given, styles, strict=False):
        weights = np.full(len(values), 1 / len(values))
        shares, _ = np.histogram(np.clip(values, low, None), edges, weights=weights)
        axes.stairs(shares, edges, linestyle=line, color=color, linewidth=1.6, label=name)
    if evaluation.threshold is not None:
        above = np.mean(familiarity >= evaluation.threshold)
        label = f"threshold: {above:.3f} of test rows above"
        axes.axvline(evaluation.threshold, color="black", linewidth=1, label=label)
    area = evaluation.certainty.get("auroc")
    told = "" if area is None else f": AUROC {area:.4f}"
    drawing.label_axes(
        axes, f"(d) familiarity{told}", "nats (leftmost bin: or less)", "share of rows"
    )
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _wilson(share: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval that holds a share of so many rows in 95 % of cases (Wilson 1927)."""
    squared = 1.96**2 / rows
    middle = share + squared / 2
    half = np.sqrt(squared * (share * (1 - share) + squared / 4))
    return (middle - half) / (1 + squared), (middle + half) / (1 + squared)


def _are_short(names: tuple[int | str, ...]) -> bool:
    return max(len(str(name)) for name in names) <= 2
