"""A progress display for a whole stream: task, epoch, accuracy, time left."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from rich.progress import BarColumn, Progress, TextColumn

VERBOSITIES = ("auto", 0, 1, 2)


class StreamProgress(keras.callbacks.Callback):
    """Shows the progress of a stream.

    On a terminal it is one bar for all tasks; elsewhere, or with `verbose=2`, it is one line per
    epoch.

    Args:
        names: The names of the tasks.
        first_task: The number of the first task.
        verbose: 0 shows nothing; 1 and `"auto"` show the bar if there is a terminal, otherwise
            lines; 2 shows lines.
    """

    def __init__(self, *, names: Sequence[str], first_task: int, verbose: int | str) -> None:
        super().__init__()
        self.names, self.first_task = names, first_task
        self.silent = verbose == 0
        live = not self.silent and verbose != 2 and sys.stdout.isatty()
        self.bar = Progress(TextColumn("{task.description}"), BarColumn()) if live else None
        self.row = self.bar.add_task("", total=len(names)) if self.bar is not None else None
        self.task = self.epoch = 0
        self.epochs = 1
        self.skipped: float | None = None
        self.accuracy = ""
        self.said: set[str] = set()
        self.started = time.monotonic()

    def __enter__(self) -> "StreamProgress":
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def start_task(self, task: int, first_epoch: int, epochs: int) -> None:
        """Begin to show a task.

        Args:
            task: Its index in the stream.
            first_epoch: The epoch it starts from, after 0 if an earlier run learnt a part of it.
            epochs: The number of its epochs.
        """
        self.task, self.epoch, self.epochs = task, first_epoch, epochs
        if self.skipped is None:
            self.skipped = self.done()  # by an earlier run, whose time is unknown

    def done(self, part_of_epoch: float = 0.0) -> float:
        """Return how many tasks are done, with the finished part of the one under way."""
        return self.task + (self.epoch + part_of_epoch) / self.epochs

    def say_once(self, line: str) -> None:
        """Print a line, if it was not printed yet and the display is not silent."""
        if line not in self.said and not self.silent:
            print(line, flush=True)
        self.said.add(line)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self.bar is not None and self.row is not None and self.params.get("steps"):
            done = self.done((batch + 1) / self.params["steps"])
            self.bar.update(self.row, completed=done, description=self.describe(done))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.epoch = epoch + 1
        found = logs or {}
        shown = [f"{k} {found[k]:.4f}" for k in ("accuracy", "val_accuracy") if k in found]
        self.accuracy = "  ".join(shown)
        if self.bar is None and not self.silent:
            print(self.describe(self.done()), flush=True)

    def describe(self, done: float) -> str:
        """Return the line to show after `done` tasks, the time left if all take as long."""
        number = f"task {self.first_task + self.task}"
        last = self.first_task + len(self.names) - 1
        elapsed = time.monotonic() - self.started
        left = elapsed * (len(self.names) - done) / (done - (self.skipped or 0))
        return "  ".join(
            part
            for part in (
                f"{number}/{last}",
                self.names[self.task] if self.names[self.task] != number else "",
                f"epoch {self.epoch}/{self.epochs}",
                self.accuracy,
                f"{left / 60:.1f} min left" if left >= 60 else f"{left:.0f} s left",
            )
            if part
        )
