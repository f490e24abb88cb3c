"""One display for a whole stream: task, epoch, accuracy, time left."""

import sys
import time

import keras
from rich.progress import BarColumn, Progress, TextColumn

VERBOSITIES = ("auto", 0, 1, 2)


class StreamProgress(keras.callbacks.Callback):
    """Shows how far a stream has come.

    On a terminal it is one bar over all tasks; elsewhere, or with `verbose=2`, a line per epoch.

    Args:
        names: names of the tasks.
        epochs: epochs of each task.
        first_task: the number of the first of them.
        verbose: 0 shows nothing, 1 and "auto" the bar where there is a terminal, 2 lines.
    """

    def __init__(self, *, names, epochs, first_task, verbose):
        super().__init__()
        self.names, self.epochs, self.first_task = names, epochs, first_task
        self.silent = verbose == 0
        live = not self.silent and verbose != 2 and sys.stdout.isatty()
        self.bar = Progress(TextColumn("{task.description}"), BarColumn()) if live else None
        self.row = self.bar.add_task("", total=sum(epochs)) if live else None
        self.task = self.epoch = self.finished_epochs = 0
        self.skipped = None
        self.accuracy = ""
        self.started = time.monotonic()

    def __enter__(self):
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *exception):
        if self.bar is not None:
            self.bar.stop()

    def start_task(self, task, first_epoch=0):
        """Show the task of this number, from 0, from its epoch `first_epoch` on."""
        self.task, self.epoch = task, first_epoch
        self.finished_epochs = sum(self.epochs[:task]) + first_epoch  # also after early stopping
        if self.skipped is None:
            self.skipped = self.finished_epochs  # done by an earlier run: tell nothing of its time

    def on_train_batch_end(self, batch, logs=None):
        if self.bar is not None and self.params.get("steps"):
            done = self.finished_epochs + (batch + 1) / self.params["steps"]
            self.bar.update(self.row, completed=done, description=self.describe(done))

    def on_epoch_end(self, epoch, logs=None):
        self.finished_epochs += 1
        self.epoch = epoch + 1
        shown = [f"{k} {logs[k]:.4f}" for k in ("accuracy", "val_accuracy") if k in (logs or {})]
        self.accuracy = "  ".join(shown)
        if self.bar is None and not self.silent:
            print(self.describe(self.finished_epochs), flush=True)

    def describe(self, done):
        """The line shown after `done` epochs of the whole stream."""
        last = self.first_task + len(self.names) - 1
        elapsed = time.monotonic() - self.started
        left = elapsed * (sum(self.epochs) - done) / (done - self.skipped)
        return "  ".join(
            part
            for part in (
                f"task {self.first_task + self.task}/{last}",
                self.names[self.task],
                f"epoch {self.epoch}/{self.epochs[self.task]}",
                self.accuracy,
                f"{left / 60:.1f} min left" if left >= 60 else f"{left:.0f} s left",
            )
            if part
        )
