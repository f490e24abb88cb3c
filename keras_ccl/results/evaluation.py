"""Evaluation: what `ccl.evaluate` measured on the test rows of tasks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_ccl.results import plotting, uncertainty
from keras_ccl.results.strict_json import strict_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model answers on the test rows of tasks, and what follows from it.

    N is the number of test rows of all T tasks; each counts once.

    Attributes:
        method: The name of the method.
        seed: The seed of the model, or None.
        tasks_seen: How many tasks it had learnt.
        task_names: The names of the tasks, `[T]`.
        class_names: The names of the classes, `[K]`, in the order of their indices.
        accuracy: The accuracy on each task, `[T]`: what a row of R holds.
        negative_elbo: The mean negative ELBO on each task, `[T]`, in nats; NaN of a model without.
        task: The index of the task of each row, `[N]`.
        labels: The index of the class of each row, `[N]`.
        probabilities: p(y|x), `[N, K]`: of a calibrated model the calibrated ones.
        familiarity: Of each row, `[N]`, in nats; None of a model that knows no p(x).
        unfamiliar: The familiarity of rows that are like nothing learnt, `[M]`, if they were given.
        temperature: What logits were divided by; None of a model that is not calibrated.
        threshold: The familiarity from which on a row is called familiar; None where there is none.
    """

    method: str
    seed: int | None
    tasks_seen: int
    task_names: tuple[str, ...]
    class_names: tuple[int | str, ...]
    accuracy: np.ndarray
    negative_elbo: np.ndarray
    task: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    familiarity: np.ndarray | None = None
    unfamiliar: np.ndarray | None = None
    temperature: float | None = None
    threshold: float | None = None

    @property
    def average_accuracy(self) -> float:
        """The mean accuracy over the tasks."""
        return float(self.accuracy.mean())

    @cached_property
    def confusion_matrix(self) -> np.ndarray:
        """How many rows of class i were called class j, `[K, K]`."""
        classes = len(self.class_names)
        cells = self.labels * classes + self.probabilities.argmax(1)
        return np.bincount(cells, minlength=classes**2).reshape(classes, classes)

    @property
    def recall(self) -> np.ndarray:
        """The share of the rows of each class that is called so, `[K]`; NaN without rows."""
        return np.diag(self.confusion_shares)

    @property
    def confusion_shares(self) -> np.ndarray:
        """The confusion matrix by shares of the rows of each class, `[K, K]`; NaN without rows."""
        with np.errstate(invalid="ignore"):
            return self.confusion_matrix / self.confusion_matrix.sum(1, keepdims=True)

    @property
    def familiar(self) -> np.ndarray:
        """The share of rows of each task that is called familiar, `[T]`; NaN if nothing is."""
        if self.familiarity is None or self.threshold is None:
            return np.full(len(self.task_names), np.nan)
        called = self.familiarity >= self.threshold
        return np.array([called[self.task == t].mean() for t in range(len(self.task_names))])

    @cached_property
    def certainty(self) -> dict[str, float]:
        """Measures of `ccl.uncertainty` over all rows, by name.

        `expected_calibration_error`; `negative_log_likelihood`, in nats; `risk_area`, the mean
        error over all coverages where the surest rows are answered first; and where unfamiliar
        rows were given `auroc`, `false_positive_rate` and, of a calibrated model,
        `unfamiliar_called_familiar`.
        """
        answered, right = (self.probabilities, self.labels), self.probabilities.argmax(1)
        found = {
            "expected_calibration_error": uncertainty.expected_calibration_error(*answered),
            "negative_log_likelihood": uncertainty.negative_log_likelihood(*answered),
            "risk_area": uncertainty.risk_coverage(
                self.probabilities.max(1), right == self.labels
            ).area,
        }
        if self.familiarity is not None and self.unfamiliar is not None:
            both = self.familiarity, self.unfamiliar
            found["auroc"] = uncertainty.auroc(*both)
            found["false_positive_rate"] = uncertainty.false_positive_rate(*both)
            if self.threshold is not None:
                found["unfamiliar_called_familiar"] = float(
                    (self.unfamiliar >= self.threshold).mean()
                )
        return found

    def table(self) -> str:
        """Return tasks, classes and certainty as text."""
        width = max(12, *(len(str(name)) for name in (*self.task_names, *self.class_names)))
        rows = np.bincount(self.task, minlength=len(self.task_names))
        head = f"{'':<{width}}{'rows':>8}{'accuracy':>10}{'neg. ELBO':>11}{'familiar':>10}"
        columns = (self.task_names, rows, self.accuracy, self.negative_elbo, self.familiar)
        lines = [head]
        for name, n, accuracy, nats, share in zip(*columns, strict=True):
            cells = f"{n:>8}{accuracy:>10.4f}{_or_blank(nats, 11, 2)}{_or_blank(share, 10, 4)}"
            lines.append(f"{name:<{width}}{cells}".rstrip())
        lines += [f"{'average':<{width}}{len(self.labels):>8}{self.average_accuracy:>10.4f}", ""]
        lines.append(f"{'class':<{width}}{'rows':>8}{'recall':>10}  most often taken for")
        lines += [self._class_line(k, width) for k in range(len(self.class_names))]
        how = "not calibrated" if self.temperature is None else f"T = {self.temperature:.3f}"
        lines += ["", f"certainty ({how})"]
        lines += [f"{name.replace('_', ' ')} {v:.4f}" for name, v in self.certainty.items()]
        return "\n".join(lines)

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """Return what was measured as strict JSON, with null for NaN; not the single rows.

        Args:
            path: A file to write it to as well. An interrupted write leaves the earlier file.

        Returns:
            The JSON text.
        """
        told = ("method", "seed", "tasks_seen", "task_names", "class_names", "temperature")
        measured = ("accuracy", "negative_elbo", "average_accuracy", "familiar", "threshold")
        by_class = ("recall", "confusion_matrix", "certainty")
        content: dict[str, Any] = {
            name: getattr(self, name) for name in (*told, *measured, *by_class)
        }
        return strict_json(content, path)

    def plot(self, path: str | os.PathLike | None = None, *, title: str | None = None) -> Figure:
        """Plot confusion, recall, reliability and familiarity; see `plotting.plot_evaluation`.

        Args:
            path: A file to save the figure to.
            title: What stands above the figure; by default the method and the seed.

        Returns:
            The matplotlib figure.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        return plotting.plot_evaluation(self, path, title=title)

    def __repr__(self) -> str:
        tasks = len(self.task_names)
        return f"Evaluation({self.method}, {tasks} tasks, accuracy {self.average_accuracy:.4f})"

    def _class_line(self, k: int, width: int) -> str:
        row, n = self.confusion_matrix[k], int(self.confusion_matrix[k].sum())
        line = f"{self.class_names[k]!s:<{width}}{n:>8}{_or_blank(self.recall[k], 10, 4)}"
        others = np.where(np.arange(len(row)) == k, 0, row)
        if others.any():
            other = int(others.argmax())
            line += f"  {self.class_names[other]} ({others[other]})"
        return line.rstrip()


def _or_blank(value: float, width: int, digits: int) -> str:
    return f"{value:>{width}.{digits}f}" if np.isfinite(value) else " " * width
