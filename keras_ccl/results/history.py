"""TaskHistory: what a stream did to a model, as `fit_tasks` returns it."""

import json
import math
import os
from pathlib import Path

import numpy as np

from keras_ccl.results import metrics


class TaskHistory:
    """R, the negative ELBO beside it, and the Keras history of each task.

    Args:
        method: name of the method; options: what it ran with; seed: its seed.
        tasks_before: tasks that the model had learnt before this stream; rows and columns are
            those of this stream.

    Attributes:
        task_names: names of the tasks learnt.
        epochs: the `History.history` of each task, a dict of lists.
    """

    def __init__(self, *, method, options=None, seed=None, tasks_before=0):
        self.method = method
        self.options = dict(options or {})
        self.seed = seed
        self.tasks_before = tasks_before
        self.task_names = []
        self.epochs = []
        self._accuracy = []
        self._negative_elbo = []

    def __len__(self):
        return len(self.task_names)

    def append(self, task_name, accuracy, negative_elbo, epochs):
        """Add a row after the k-th task.

        Args:
            task_name: its name.
            accuracy: k accuracies in [0, 1]; negative_elbo: k values, nats a row; NaN where a
                task has no test rows.
            epochs: the Keras history of the task.

        Raises:
            ValueError: if a row has not k values; nothing is added then.
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
    def accuracy(self):
        """R [T, T], NaN above the diagonal."""
        return _square(self._accuracy)

    @property
    def negative_elbo(self):
        """Mean negative ELBO [T, T], nats a row: rows and columns as in R."""
        return _square(self._negative_elbo)

    @property
    def average_accuracy(self):
        """[T]: mean accuracy over the tasks seen, after each task."""
        return metrics.average_accuracy(self.accuracy)

    @property
    def average_negative_elbo(self):
        """[T]: mean negative ELBO over the tasks seen, after each task, nats."""
        return metrics.mean_over_seen(self.negative_elbo)

    @property
    def forgetting(self):
        """[T]: `metrics.forgetting`."""
        return metrics.forgetting(self.accuracy)

    @property
    def backward_transfer(self):
        """`metrics.backward_transfer`, a float."""
        return metrics.backward_transfer(self.accuracy)

    def to_json(self, path=None):
        """The history as strict JSON: null above the diagonal and where nothing was measured.

        Args:
            path: where to write it as well, whole or not at all.
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
        text = json.dumps(_plain(content), indent=1, allow_nan=False)
        if path is not None:
            aside = Path(f"{path}.partial")
            aside.write_text(text)
            os.replace(aside, path)
        return text

    @classmethod
    def from_json(cls, text):
        """The history that `to_json` wrote.

        Args:
            text: the JSON text.

        Raises:
            ValueError: if it is not such a text.
        """
        try:
            content = json.loads(text)
            names = ("method", "options", "seed", "tasks_before")
            history = cls(**{name: content[name] for name in names})
            columns = ("tasks", "accuracy", "negative_elbo", "epochs")
            rows = zip(*(content[name] for name in columns), strict=True)
            for k, (name, accuracy, negative_elbo, epochs) in enumerate(rows, start=1):
                epochs = {key: _numbers(values) for key, values in epochs.items()}
                history.append(name, _numbers(accuracy)[:k], _numbers(negative_elbo)[:k], epochs)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not the JSON of a TaskHistory: {error!r}") from error
        return history

    def table(self):
        """R as text, a line a task learnt."""
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

    def plot(self, path=None, *, samples=None):
        """Accuracy and negative ELBO against tasks: see `plotting.plot_history`."""
        from keras_ccl.results.plotting import plot_history

        return plot_history(self, path, samples=samples)

    def __repr__(self):
        return f"TaskHistory({self.method}, {len(self)} tasks)"


def _square(rows):
    matrix = np.full((len(rows), len(rows)), np.nan)
    for k, row in enumerate(rows):
        matrix[k, : k + 1] = row
    return matrix


def _numbers(values):
    return [math.nan if value is None else value for value in values]


def _plain(value):
    """Nested lists and dicts of what JSON knows, None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
