"""A history as text, and as a folder of text and figures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_ccl.results import plotting
from keras_ccl.results.drawing import named, save_figure
from keras_ccl.results.evaluation import Evaluation

if TYPE_CHECKING:
    from keras_ccl.results.history import TaskHistory


def table_of(history: "TaskHistory") -> str:
    """Write R as a text table: one line per task learnt, one column per task measured."""
    width = max([12, *(len(name) for name in history.task_names)])
    accuracy, before = history.accuracy, history.tasks_before
    known = ~np.isnan(accuracy).all(0)
    shown = [j for j, measured in enumerate(known) if measured or j >= before]
    titles = [f"task {j + 1}" for j in shown]
    head = [f"{'after':<{width}}", *(f"{title:>8}" for title in titles)]
    lines = ["".join([*head, f"{'average':>10}{'forgetting':>12}{'neg. ELBO':>11}"])]
    figures = (accuracy, history.average_accuracy, history.forgetting)
    learnt = (figure[before:] for figure in (*figures, history.average_negative_elbo))
    for i, (name, row, average, drop, elbo) in enumerate(
        zip(history.task_names, *learnt, strict=True), start=before
    ):
        cells = [f"{row[j]:8.4f}" if j <= i else " " * 8 for j in shown]
        lines.append(f"{name:<{width}}{''.join(cells)}{average:10.4f}{drop:12.4f}{elbo:11.2f}")
    return "\n".join(lines)


def report_text(history: "TaskHistory", evaluation: Evaluation | None, title: str | None) -> str:
    """Write R, its averages, how each task was learnt, and an evaluation.

    Args:
        history: What `fit_tasks` returned.
        evaluation: What `evaluate` returned, or None.
        title: The first line; None: method and seed.
    """
    parts = [title or named(history), table_of(history)]
    if len(history):
        parts += [_averages(history), _learning(history)]
    if evaluation is not None:
        parts.append(evaluation.table())
    return "\n\n".join(parts)


def write_report(
    history: "TaskHistory",
    folder: str | os.PathLike,
    evaluation: Evaluation | None,
    title: str | None,
) -> None:
    """Write the files that `TaskHistory.report` tells of; the arguments are those of it."""
    figures = {"history": plotting.plot_history(history, title=title)}
    figures["learning"] = plotting.plot_learning(history, title=title)
    if evaluation is not None:
        figures["evaluation"] = evaluation.plot(title=title)
    to = Path(folder)
    to.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save_figure(figure, to / f"{name}.png")
    history.to_json(to / "history.json")
    if evaluation is not None:
        evaluation.to_json(to / "evaluation.json")
    heading, _, text = report_text(history, evaluation, title).partition("\n\n")
    shown = [f"![{name}]({name}.png)" for name in figures]
    (to / "report.md").write_text("\n\n".join([f"# {heading}", f"```text\n{text}\n```", *shown]))


def _averages(history: "TaskHistory") -> str:
    return (
        f"after {history.tasks_before + len(history)} tasks: average accuracy "
        f"{history.average_accuracy[-1]:.4f}, forgetting {history.forgetting[-1]:.4f}, backward "
        f"transfer {history.backward_transfer:.4f}, negative ELBO "
        f"{history.average_negative_elbo[-1]:.2f} nats per row"
    )


def _learning(history: "TaskHistory") -> str:
    """What each task logged in its first and its last epoch."""
    width = max([12, *(len(name) for name in history.task_names)])
    logged = [
        name
        for name in ("loss", "accuracy", "val_accuracy")
        if any(record.get(name) for record in history.epochs)
    ]
    heads = "".join(f"{f'{name}, first':>20}{'last':>10}" for name in logged)
    lines = [f"{'learnt':<{width}}{'epochs':>8}{heads}"]
    for name, record in zip(history.task_names, history.epochs, strict=True):
        values = [record.get(log) or [np.nan] for log in logged]
        cells = "".join(f"{each[0]:>20.4f}{each[-1]:>10.4f}" for each in values)
        lines.append(f"{name:<{width}}{max(map(len, record.values()), default=0):>8}{cells}")
    return "\n".join(lines)
