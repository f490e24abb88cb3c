"""TaskHistory: the results of a stream of tasks, as `fit_tasks` returns them."""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_ccl.results import metrics, plotting
from keras_ccl.results.evaluation import Evaluation
from keras_ccl.results.report import report_text, table_of, write_report
from keras_ccl.results.strict_json import null_to_nan, strict_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MADE_WITH = ("method", "options", "seed", "tasks_before")


class TaskHistory:
    """The accuracy matrix R, the negative ELBO, and the Keras history of each task.

    Args:
        method: The name of the method.
        options: The options it ran with.
        seed: Its seed.
        tasks_before: The number of tasks that the model had learnt before this stream. Their rows
            in the matrices are NaN, and so are their columns unless they were measured again.

    Attributes:
        task_names: The names of the tasks learnt.
        epochs: The `History.history` of each task, a dict of lists.
        unlabelled: The number of train rows of each task that had no label.
    """

    def __init__(
        self,
        *,
        method: str,
        options: Mapping[str, Any] | None = None,
        seed: int | None = None,
        tasks_before: int = 0,
    ) -> None:
        self.method = method
        self.options = dict(options or {})
        self.seed = seed
        self.tasks_before = tasks_before
        self.task_names: list[str] = []
        self.epochs: list[dict[str, list[float]]] = []
        self.unlabelled: list[int] = []
        self._accuracy: list[list[float]] = []
        self._negative_elbo: list[list[float]] = []

    def __len__(self) -> int:
        return len(self.task_names)

    def append(
        self,
        task_name: str,
        accuracy: Sequence[float],
        negative_elbo: Sequence[float],
        epochs: Mapping[str, Iterable[float]],
        unlabelled: int = 0,
    ) -> None:
        """Add the results after the k-th task.

        Args:
            task_name: The name of the task.
            accuracy: The test accuracy on each task learnt so far, in [0, 1], of this stream or
                of the life of the model; NaN for a task without test rows.
            negative_elbo: The mean negative ELBO on each of them, in nats; NaN likewise.
            epochs: The Keras history of the task.
            unlabelled: The number of its train rows that had no label.

        Raises:
            ValueError: If there are not that many values; nothing is added then.
        """
        here, ever = len(self) + 1, self.tasks_before + len(self) + 1
        expected = f"{here} values" if here == ever else f"{here} or {ever} values"
        for name, row in (("accuracy", accuracy), ("negative_elbo", negative_elbo)):
            if len(row) not in (here, ever):
                raise ValueError(f"task {ever}: expected {expected} of {name}, received {len(row)}")
        self.task_names.append(task_name)
        for rows, row in ((self._accuracy, accuracy), (self._negative_elbo, negative_elbo)):
            rows.append([math.nan] * (ever - len(row)) + [float(value) for value in row])
        self.epochs.append({name: [float(v) for v in values] for name, values in epochs.items()})
        self.unlabelled.append(int(unlabelled))

    @property
    def accuracy(self) -> np.ndarray:
        """R, `[T, T]`: the test accuracy on task j after task i. NaN above the diagonal.

        Tasks are counted over the life of the model: of a second `fit_tasks`, R has rows and
        columns for the tasks of the first.
        """
        return metrics.lower_triangular(self._accuracy, self.tasks_before)

    @property
    def negative_elbo(self) -> np.ndarray:
        """The mean negative ELBO on task j after task i, `[T, T]`, in nats."""
        return metrics.lower_triangular(self._negative_elbo, self.tasks_before)

    @property
    def average_accuracy(self) -> np.ndarray:
        """The mean accuracy over the tasks seen so far, after each task, `[T]`."""
        return metrics.average_accuracy(self.accuracy)

    @property
    def average_negative_elbo(self) -> np.ndarray:
        """The mean negative ELBO over the tasks seen so far, after each task, `[T]`, in nats."""
        return metrics.mean_over_seen(self.negative_elbo)

    @property
    def forgetting(self) -> np.ndarray:
        """The forgetting after each task, `[T]`; see `metrics.forgetting`."""
        return metrics.forgetting(self.accuracy)

    @property
    def backward_transfer(self) -> float:
        """The backward transfer of the stream; see `metrics.backward_transfer`."""
        return metrics.backward_transfer(self.accuracy)

    def __add__(self, later: "TaskHistory") -> "TaskHistory":
        """Join the history of the next call of `fit_tasks` to this one.

        Args:
            later: Its history. R is whole if that call was given the `earlier` tasks.

        Returns:
            The history of both, with the options and the seed of this one.

        Raises:
            ValueError: If tasks lie between the two, or they overlap.
        """
        expected = self.tasks_before + len(self)
        if later.tasks_before != expected:
            raise ValueError(
                f"expected a history that begins after task {expected}, received one that begins "
                f"after task {later.tasks_before}"
            )
        both = TaskHistory(**{name: getattr(self, name) for name in MADE_WITH})
        for part in (self, later):
            rows = part.task_names, part._accuracy, part._negative_elbo, part.epochs
            for row in zip(*rows, part.unlabelled, strict=True):
                both.append(*row)
        return both

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """Return the history as strict JSON, with null for NaN.

        Args:
            path: A file to write it to as well. An interrupted write leaves the earlier file.

        Returns:
            The JSON text.
        """
        measured = ("accuracy", "negative_elbo", "average_accuracy", "average_negative_elbo")
        names = (*measured, "forgetting", "backward_transfer", "epochs", "unlabelled")
        content = {name: getattr(self, name) for name in MADE_WITH} | {"tasks": self.task_names}
        content |= {name: getattr(self, name) for name in names}
        return strict_json(content, path)

    @classmethod
    def from_json(cls, text: str) -> "TaskHistory":
        """Restore a history from what `to_json` returned.

        Args:
            text: The JSON text.

        Returns:
            The history.

        Raises:
            ValueError: If the text is not the JSON of a history.
        """
        try:
            content = json.loads(text)
            history = cls(**{name: content[name] for name in MADE_WITH})
            columns = ("tasks", "accuracy", "negative_elbo", "epochs")
            names, accuracies, elbos, records = (content[name] for name in columns)
            first = history.tasks_before
            missing = content.get("unlabelled", [0] * len(names))  # older files tell none
            rows = zip(names, accuracies[first:], elbos[first:], records, missing, strict=True)
            for seen, (name, accuracy, elbo, epochs, number) in enumerate(rows, start=first + 1):
                epochs = {key: null_to_nan(values) for key, values in epochs.items()}
                measured = [null_to_nan(row[:seen]) for row in (accuracy, elbo)]
                history.append(name, measured[0], measured[1], epochs, number)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not the JSON of a TaskHistory: {error!r}") from error
        return history

    def table(self) -> str:
        """Return R as a text table: one line per task learnt, one column per task measured."""
        return table_of(self)

    def report(
        self,
        folder: str | os.PathLike | None = None,
        *,
        evaluation: Evaluation | None = None,
        title: str | None = None,
    ) -> str:
        """Return R, its averages and how each task was learnt as text; with a folder, draw it too.

        Args:
            folder: Where to write `report.md`, which shows the text and the figures, `history.png`,
                `learning.png`, `history.json` and, of an evaluation, `evaluation.png` and `.json`.
                It is made if it is missing; files of these names are replaced.
            evaluation: What `evaluate` returned for the model, to report as well.
            title: What stands above text and figures, such as method, data and seed.

        Returns:
            The text.

        Raises:
            ImportError: If there is a folder, but no matplotlib.
            ValueError: If there is a folder, but no task was learnt.
        """
        if folder is not None:
            write_report(self, folder, evaluation, title)
        return report_text(self, evaluation, title)

    def plot(
        self,
        path: str | os.PathLike | None = None,
        *,
        samples: Sequence[np.ndarray] | None = None,
        title: str | None = None,
    ) -> "Figure":
        """Plot R, accuracy and negative ELBO against tasks; see `plotting.plot_history`.

        Args:
            path: A file to save the figure to.
            samples: Images generated after each task, `[n, height, width(, channels)]` each.
            title: What stands above the figure; by default the method and the seed.

        Returns:
            The matplotlib figure.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        return plotting.plot_history(self, path, samples=samples, title=title)

    def __repr__(self) -> str:
        return f"TaskHistory({self.method}, {len(self)} tasks)"
