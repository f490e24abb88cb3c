"""Figures of one history: R, accuracy and negative ELBO against tasks, and how each was learnt."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from keras_ccl.results import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCURACY, NATS = "accuracy", "nats per example"
_LEARNT = {"loss": ("(a) loss", "loss"), ACCURACY: ("(b) accuracy while learning", ACCURACY)}


class Results(Protocol):
    """The part of a `TaskHistory` that figures and reports show."""

    method: str
    seed: int | None
    task_names: list[str]
    tasks_before: int
    epochs: list[dict[str, list[float]]]

    def __len__(self) -> int: ...
    @property
    def accuracy(self) -> np.ndarray: ...
    @property
    def negative_elbo(self) -> np.ndarray: ...
    @property
    def average_accuracy(self) -> np.ndarray: ...
    @property
    def average_negative_elbo(self) -> np.ndarray: ...


def plot_history(
    history: Results,
    path: str | os.PathLike | None = None,
    *,
    samples: Sequence[np.ndarray] | None = None,
    title: str | None = None,
    floor: float = 0.0,
) -> "Figure":
    """Plot R as a heatmap, accuracy and negative ELBO against tasks, and generated images.

    Args:
        history: A `TaskHistory`.
        path: A file to save the figure to.
        samples: The images that the teacher generates after each task, one array of shape
            `[n, height, width]` or `[n, height, width, channels]` per task.
        title: What stands above the figure, such as method, data and seed; by default the method
            and the seed.
        floor: Where the axis of accuracy begins.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If no task was learnt.
    """
    _refuse_empty(history)
    labels = [f"after {name}" for name in history.task_names]
    images = dict(zip(labels, samples, strict=True)) if samples else None
    has_bound = not np.isnan(history.negative_elbo).all()
    figure, axes = drawing.panels(3 if has_bound else 2, title or drawing.named(history), images)
    learnt = np.arange(history.tasks_before, history.tasks_before + len(history))
    matrix = history.accuracy[learnt]
    measured = np.union1d(np.flatnonzero(~np.isnan(matrix).all(0)), learnt)
    drawing.draw_matrix(axes[0], matrix[:, measured], list(learnt + 1), list(measured + 1))
    axes[0].set_title("(a) test accuracy on each task, R", fontsize=10, loc="left")
    axes[0].set_xlabel("measured on task")
    axes[0].set_ylabel("after task")
    _draw_tasks(axes[1], learnt, history.accuracy, history.average_accuracy, drawing.FIRST)
    drawing.label_axes(axes[1], "(b) accuracy", "tasks learnt", ACCURACY)
    drawing.from_floor(axes[1], floor)
    _label_ends(axes[1], history.accuracy, history.average_accuracy, ".3f")
    if has_bound:
        bounds = history.negative_elbo, history.average_negative_elbo
        _draw_tasks(axes[2], learnt, *bounds, drawing.SECOND)
        drawing.label_axes(axes[2], "(c) negative ELBO", "tasks learnt", NATS)
        _label_ends(axes[2], *bounds, ".0f")
    return drawing.save_figure(figure, path)


def plot_learning(
    history: Results, path: str | os.PathLike | None = None, *, title: str | None = None
) -> "Figure":
    """Plot loss and accuracy against the epochs of all tasks, as a `CSVLogger` counts them.

    Args:
        history: A `TaskHistory`.
        path: A file to save the figure to.
        title: What stands above the figure; by default the method and the seed.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If no task was learnt.
    """
    _refuse_empty(history)
    shown = [name for name in _LEARNT if any(name in record for record in history.epochs)]
    figure, panels = drawing.panels(len(shown), title or drawing.named(history))
    for axes, name in zip(panels, shown, strict=True):
        drawing.label_axes(axes, _LEARNT[name][0], "epochs (numbers: tasks)", _LEARNT[name][1])
        _draw_epochs(axes, history, name)
    if ACCURACY in shown:
        drawing.from_floor(panels[-1], 0.0)
    return drawing.save_figure(figure, path)


def _refuse_empty(history: Results) -> None:
    if not len(history):
        raise ValueError("history: expected at least one task, received none")


def _draw_tasks(
    axes: "Axes", learnt: np.ndarray, matrix: np.ndarray, average: np.ndarray, color: str
) -> None:
    """Draw a faint line for each column of a matrix `[T, T]`, and a thick one for the average."""
    for j, column in enumerate(matrix.T):
        rows = learnt[learnt >= j]
        if not np.isnan(column[rows]).all():
            axes.plot(rows + 1, column[rows], color=drawing.FAINT, linewidth=1, marker=".")
    axes.plot(learnt + 1, average[learnt], color=color, linewidth=2.5, marker="o")
    drawing.count_tasks(axes, list(learnt + 1))


def _label_ends(axes: "Axes", matrix: np.ndarray, average: np.ndarray, digits: str) -> None:
    """Write at the end of each line what it is of, and its value; of many tasks the average."""
    tasks = [(f"task {j + 1}", value) for j, value in enumerate(matrix[-1])]
    shown = [*(tasks if len(tasks) <= drawing.MOST_NUMBERS else []), ("average", average[-1])]
    last = len(matrix)
    drawing.label_lines(
        axes, [(last, value, f"{name} {value:{digits}}", "black") for name, value in shown]
    )


def _draw_epochs(axes: "Axes", history: Results, name: str) -> None:
    """Draw what each epoch logged under a name, and under that of the validation rows, dotted."""
    begin = 0
    for number, record in enumerate(history.epochs, start=history.tasks_before + 1):
        for log, line in ((name, "-"), (f"val_{name}", ":")):
            if log in record:
                epochs = begin + 1 + np.arange(len(record[log]))
                axes.plot(epochs, record[log], line, marker=".", color=drawing.FIRST)
        axes.axvline(begin + 0.5, color=drawing.FAINT, linewidth=0.8)
        place = axes.get_xaxis_transform()
        axes.text(begin + 0.7, 1.0, str(number), transform=place, va="top", fontsize=8)
        begin += len(record.get(name, ()))
    axes.locator_params(axis="x", integer=True)
