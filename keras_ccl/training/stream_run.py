"""StreamRun: a stream of rows under way, with the segment that is learnt now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_ccl.checkpointing.saving_callback import EpochLogs
from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.incoming_rows import checked_block
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.segment import Segment
from keras_ccl.data.sources import Element
from keras_ccl.data.splits import MEASURING_BATCH, Split
from keras_ccl.results.stream_history import StreamHistory
from keras_ccl.training import optimizer
from keras_ccl.training.budgets import batch_size_for, budget_for
from keras_ccl.training.loss_guard import LossGuard
from keras_ccl.training.protocol import ContinualModel
from keras_ccl.training.stream_watch import StreamWatch
from keras_ccl.training.task_callbacks import AsOneFit, TaskInLogs, check_callbacks, tell

BLOCK_ROWS = 512
"""Rows that come at once."""

MOST_ROWS = 12_000
"""Of the current task, held at most."""

REPEATS = 12
"""How often a row is learnt as rows come, on average; more often at the hand-over."""


class StreamRun:
    """What `fit_stream` does with each block. Use it as a context.

    Args:
        model: the student; compiled with Adam if it is not yet.
        hand_over: `"auto"`, or the rows of a segment.
        most_rows: of the segment, held at most.
        repeats: how often a row is learnt as rows come.
        epochs: at a hand-over, or None.
        tests: rows that measure.
        measure_every: rows between two measurements, or None.
        callbacks: the user's.
        silent: whether nothing is printed.

    Attributes:
        history: the `StreamHistory` so far.
    """

    def __init__(
        self,
        model: ContinualModel,
        *,
        hand_over: str | int,
        most_rows: int,
        repeats: int,
        epochs: int | None,
        tests: Sequence[Split],
        measure_every: int | None,
        callbacks: Any,
        silent: bool,
    ) -> None:
        self._model, self._hand_over, self._most_rows = model, hand_over, most_rows
        self._repeats, self._epochs = repeats, epochs
        self._tests, self._measure_every, self._silent = tests, measure_every, silent
        self._given = keras.tree.flatten(callbacks or [])
        check_callbacks(self._given, None)
        self._shown = [AsOneFit(callback) for callback in self._given]
        optimizer.compile_with_adam(model)
        self.history = StreamHistory(
            method=model.method_name,
            options={
                **model.options(),
                "hand_over": hand_over,
                "most_rows": most_rows,
                "repeats": repeats,
                "epochs": epochs,
            },
            seed=model.seed,
            tasks_before=int(model.tasks_seen.numpy()),
        )
        model.stream_history = self.history  # there too if an error ends the run
        self._watch = StreamWatch(model)
        self._came = 0  # rows of the stream
        self._begin_segment()

    def __enter__(self) -> StreamRun:
        return self

    def __exit__(self, *exception: Any) -> None:
        for callback in self._shown:
            callback.close()

    def take(self, block: Element) -> None:
        """Learn the rows that come next, and hand over where a segment ends among them.

        Args:
            block: arrays as the user gave them.

        Raises:
            ValueError: for rows that do not fit, before any is learnt.
        """
        before, size = self._came, len(block[0])
        while len(block[0]):
            rows = self._observed(block)
            cut, reason = self._end_among(rows)
            if cut is None:
                self._learn(rows)
                if self._hand_over == "auto":
                    self._watch.learnt(self._segment.seen)
                break
            if cut:  # the classes of these alone are met
                self._learn(self._observed(tuple(part[:cut] for part in block)))
            self.end(reason, noticed=before + size)
            block = tuple(part[cut:] for part in block)
        every = self._measure_every
        if every is not None and self._came // every > before // every:
            self._measure()

    def end(self, reason: str = "end", *, noticed: int | None = None) -> None:
        """Let the teacher take over, once the rows held were learnt under a falling learning rate.

        Args:
            reason: for the history.
            noticed: how many rows have been read; None: no more than have been learnt.
        """
        if not self._segment.rows:
            return
        model, task = self._model, self._segment.task(continues=True, complete=True)
        model.begin_task(task)
        of_features = model.backbone is not None
        epochs, size = budget_for(
            task.train, epochs=self._epochs, batch_size=None, of_features=of_features
        )
        self._fit(task, size, self._whole(task.train.steps(size)), epochs, decays=True)
        model.end_task(task)
        row = self._came
        self.history.handed_over(
            row,
            reason,
            noticed=noticed or row,
            unlabelled=self._segment.unlabelled,
            epochs=self._logs.without_task(),
        )
        if not self._silent:
            print(f"{task.name}: handed over, {reason}", flush=True)
        self._measure()
        tell(self._given, "on_task_end", model, task)
        self._begin_segment()

    def _begin_segment(self) -> None:
        number = int(self._model.tasks_seen.numpy()) + 1
        self._segment = Segment(number, self._came, self._most_rows)
        self._logs, self._epoch = EpochLogs(), 0
        self._watch.begin()

    def _end_among(self, rows: ArraySplit) -> tuple[int | None, str]:
        """The row of a block that a new segment begins with, if one does, and why."""
        if self._hand_over == "auto":
            return self._watch.change(rows), "change"
        left = int(self._hand_over) - self._segment.seen
        return (left if left <= rows.rows else None), "rows"

    def _observed(self, block: Element) -> ArraySplit:
        """A block as the networks see it, its labels the indices that they will have."""
        split = checked_block(self._came, block, self._model.data_spec)
        self._labels = split.spec.labels
        observed = self._model.observed(ReadyTask(self._segment.number, "", split)).train
        assert isinstance(observed, ArraySplit)
        return observed

    def _learn(self, rows: ArraySplit) -> None:
        """Add the rows observed last to the segment, and learn from it as long as they are due."""
        self._segment.add(rows, self._labels)
        self._came += rows.rows
        model, first = self._model, not self._epoch
        task = self._segment.task(continues=not first, complete=False)
        model.begin_task(task)
        if first:
            optimizer.reset_optimizer(model)
            for callback in self._shown:
                callback.begin_task(self.history, self._logs, 0)
            tell(self._given, "on_task_begin", model, task)
        size = batch_size_for(task.train.rows)
        self._fit(task, size, self._whole(math.ceil(self._repeats * rows.rows / size)), 1)

    def _whole(self, steps: int) -> int:
        """Steps that Keras can execute together as it was told."""
        together = self._model.steps_per_execution
        return math.ceil(steps / together) * together

    def _fit(
        self, task: ReadyTask, size: int, steps: int, epochs: int, *, decays: bool = False
    ) -> None:
        model, guard = self._model, LossGuard(task)
        decay = [optimizer.CosineDecay(epochs * steps)] if decays else []
        rows, _ = task.train.training(size, seed=model.next_seed(), steps_per_epoch=steps)
        with guard.watching(model), optimizer.learning_rate_kept(model.optimizer):
            model.keras_fit(
                rows,
                initial_epoch=self._epoch,
                epochs=self._epoch + epochs,
                steps_per_epoch=steps,
                callbacks=[*decay, TaskInLogs(task.number), *self._shown, self._logs, guard],
                shuffle=False,  # the rows come shuffled
                verbose=0,
            )
        self._epoch += epochs

    def _measure(self) -> None:
        if self._tests:
            self.history.measured(self._came, [self._accuracy(split) for split in self._tests])

    def _accuracy(self, split: Split) -> float:
        """On test rows; NaN where the model does not know the name of a class yet."""
        model = self._model
        if model.data_spec.labels is not None and not {*split.names} <= {*model.class_names}:
            return math.nan
        rows = split.labelled(model.data_spec)
        return model.evaluate(rows, batch_size=MEASURING_BATCH, verbose=0, return_dict=True)[
            "accuracy"
        ]
