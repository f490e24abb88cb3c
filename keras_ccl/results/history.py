"""TaskHistory: the results of a stream of tasks, as `fit_tasks` returns them."""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_ccl.results import metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TaskHistory:
    """The accuracy matrix R, the negative ELBO, and the Keras history of each task.

    Args:
        method: The name of the method.
        options: The options it ran with.
        seed: Its seed.
        tasks_before: The number of tasks that the model had learnt before this stream. They have
            no rows or columns in the matrices.

    Attributes:
        task_names: The names of the tasks learnt.
        epochs: The `History.history` of each task, a dict of lists.
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
    ) -> None:
        """Add the results after the k-th task.

        Args:
            task_name: The name of the task.
            accuracy: The test accuracy on each of the k tasks, in [0, 1]; NaN for a task without
                test rows.
            negative_elbo: The mean negative ELBO on each of the k tasks, in nats; NaN likewise.
            epochs: The Keras history of the task.

        Raises:
            ValueError: If there are not k values; nothing is added then.
        """
        expected = len(self) + 1
        for name, row in (("accuracy", accuracy), ("negative_elbo", negative_elbo)):
            if len(row) != expected:
                raise ValueError(
                    f"task {expected}: expected {expected} values of {name}, received {len(row)}"
                )
        self.task_names.append(task_name)
        self._accuracy.append([float(value) for value in accuracy])
        self._negative_elbo.append([float(value) for value in negative_elbo])
        self.epochs.append({name: [float(v) for v in values] for name, values in epochs.items()})

    @property
    def accuracy(self) -> np.ndarray:
        """R, `[T, T]`: the test accuracy on task j after task i. NaN above the diagonal."""
        return _lower_triangular(self._accuracy)

    @property
    def negative_elbo(self) -> np.ndarray:
        """The mean negative ELBO on task j after task i, `[T, T]`, in nats."""
        return _lower_triangular(self._negative_elbo)

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

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """Return the history as strict JSON, with null for NaN.

        Args:
            path: A file to write it to as well. An interrupted write leaves the earlier file.

        Returns:
            The JSON text.
        """
        content = {
            "method": self.method,
            "options": self.options,
            "seed": self.seed,
            "tasks_before": self.tasks_before,
            "tasks": self.task_names,
            "accuracy": self.accuracy,
            "negative_elbo": self.negative_elbo,
            "average_accuracy": self.average_accuracy,
            "average_negative_elbo": self.average_negative_elbo,
            "forgetting": self.forgetting,
            "backward_transfer": self.backward_transfer,
            "epochs": self.epochs,
        }
        text = json.dumps(_as_json_values(content), indent=1, allow_nan=False)
        if path is not None:
            aside = Path(f"{path}.partial")
            aside.write_text(text)
            os.replace(aside, path)
        return text

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
            names = ("method", "options", "seed", "tasks_before")
            history = cls(**{name: content[name] for name in names})
            columns = ("tasks", "accuracy", "negative_elbo", "epochs")
            rows = zip(*(content[name] for name in columns), strict=True)
            for k, (name, accuracy, negative_elbo, epochs) in enumerate(rows, start=1):
                epochs = {key: _null_to_nan(values) for key, values in epochs.items()}
                history.append(
                    name, _null_to_nan(accuracy)[:k], _null_to_nan(negative_elbo)[:k], epochs
                )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not the JSON of a TaskHistory: {error!r}") from error
        return history

    def table(self) -> str:
        """Return R as a text table, one line per task learnt."""
        width = max([12, *(len(name) for name in self.task_names)])
        titles = [f"task {self.tasks_before + k + 1}" for k in range(len(self))]
        head = [f"{'after':<{width}}", *(f"{title:>8}" for title in titles)]
        lines = ["".join([*head, f"{'average':>10}{'forgetting':>12}{'neg. ELBO':>11}"])]
        figures = (self.average_accuracy, self.forgetting, self.average_negative_elbo)
        for k, (name, average, drop, elbo) in enumerate(
            zip(self.task_names, *figures, strict=True)
        ):
            cells = [f"{value:8.4f}" for value in self._accuracy[k]]
            cells += [" " * 8] * (len(self) - k - 1)
            lines.append(f"{name:<{width}}{''.join(cells)}{average:10.4f}{drop:12.4f}{elbo:11.2f}")
        return "\n".join(lines)

    def plot(
        self,
        path: str | os.PathLike | None = None,
        *,
        samples: Sequence[np.ndarray] | None = None,
    ) -> "Figure":
        """Plot accuracy and negative ELBO against tasks; see `plotting.plot_history`.

        Args:
            path: A file to save the figure to.
            samples: Images that the teacher generates after each task.

        Returns:
            The matplotlib figure.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        from keras_ccl.results.plotting import plot_history

        return plot_history(self, path, samples=samples)

    def __repr__(self) -> str:
        return f"TaskHistory({self.method}, {len(self)} tasks)"


def _lower_triangular(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """Build a square matrix from the rows of its lower triangle, NaN elsewhere."""
    matrix = np.full((len(rows), len(rows)), np.nan)
    for k, row in enumerate(rows):
        matrix[k, : k + 1] = row
    return matrix


def _null_to_nan(values: Iterable[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _as_json_values(value: Any) -> Any:
    """Convert to nested lists and dicts of what JSON can hold, with None for NaN and infinity."""
    if isinstance(value, dict):
        return {str(key): _as_json_values(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_as_json_values(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
