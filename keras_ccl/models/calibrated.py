"""Calibrated: how sure a model may be, and which rows are familiar to it."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np

from keras_ccl.data.missing_labels import UNLABELLED
from keras_ccl.data.splits import MEASURING_BATCH, as_split, measured_batches
from keras_ccl.data.validation import check_share
from keras_ccl.models.evidence import (
    Calibration,
    Evidence,
    Identified,
    Labelled,
    temperature_of,
    tempered,
    threshold_of,
)
from keras_ccl.models.row_model import RowModel

GENERATED_ROWS = 5000
"""Which stand for the earlier tasks where a model is calibrated."""


class Calibrated(RowModel):
    """A model that can be calibrated, and then tells what it knows and what it does not."""

    tasks_seen: Any
    _calibration: Calibration | None = None

    @property
    def calibration(self) -> Calibration | None:
        """What `calibrate` found; None before it, and again once a further task begins."""
        found = self._calibration
        return found if found and found.tasks_seen == int(self.tasks_seen.numpy()) else None

    def calibrate(self, rows: Any, *, coverage: float = 0.95) -> Calibration:
        """Learn how sure the model may be, and what is familiar to it, from rows not learnt.

        One temperature divides all logits, those of networks and memory together: the one that
        makes the labels most likely (Guo et al. 2017). Rows of earlier tasks are not needed. Where
        the method generates them, generated rows of all tasks stand beside the rows given, which
        weigh as one of the tasks so far. Methods that generate nothing are calibrated on the rows
        given alone, with a warning where these lack a class.

        The threshold of familiarity is what a share `coverage` of the rows given reaches. Generated
        rows are not as real ones are, but tell how all tasks differ from the classes given: by as
        much as their thresholds differ it is moved.

        `predict` and training stay as they are. A further task, `train_on_batch` and `load_weights`
        end the calibration; saved models and checkpoints keep it.

        Args:
            rows: held-out rows of the task learnt last, in any form that `fit_tasks` takes; those
                without a label are left out.
            coverage: the share of familiar rows that are to be called so.

        Returns:
            What was found, which is `calibration` from now on.

        Raises:
            TypeError, ValueError: for rows that do not fit, a coverage that is no share, or a model
                that has learnt no task.
        """
        check_share("coverage", coverage, or_one=True)
        seen = int(self.tasks_seen.numpy())
        if not seen:
            raise ValueError(
                "calibrate: expected a model that has learnt a task, received a new one"
            )
        split = as_split(rows, self.data_spec, "calibrate", batch_size=MEASURING_BATCH)
        batches = [[part.numpy() for part in parts] for parts in measured_batches(split)]
        x, y, *weight = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        weights = weight[0].astype(np.float64) if weight else np.ones(len(y))
        x, y, weights = (part[y != UNLABELLED] for part in (x, y, weights))
        if not weights.sum():
            raise ValueError(
                "calibrate: expected rows with labels that weigh more than 0, received none"
            )
        given = Labelled(self.evidence(x), y, weights / weights.sum())
        made = self._of_generated(seen)
        if seen > 1 and made is None and len(np.unique(y)) < len(self.class_names):
            warnings.warn(
                "calibrate: the model generates no rows of earlier tasks, so what is found is of "
                "the classes given alone",
                stacklevel=2,
            )
        temperature = temperature_of(given, made, seen)
        threshold = threshold_of(given, made, coverage)
        self._calibration = Calibration(temperature, threshold, float(coverage), seen)
        return self._calibration

    def identify(self, x: np.ndarray, *, batch_size: int = MEASURING_BATCH) -> Identified:
        """The name of the most likely class, how likely it is, and whether the row is familiar.

        Args:
            x: `[N, *input_shape]`.
            batch_size: rows per batch.

        Returns:
            Arrays, one value for each row.

        Raises:
            ValueError: for a model that is not calibrated, or rows that do not fit or are not
                finite.
        """
        found = self.calibration
        if found is None:
            raise ValueError(
                "identify: expected a calibrated model, received one that is not, or has begun a "
                "further task since; model.calibrate(rows) needs held-out rows of the last task"
            )
        logits, familiarity = self.evidence(x, batch_size=batch_size)
        if not np.isfinite(logits).all():
            bad = np.flatnonzero(~np.isfinite(logits).all(1))
            raise ValueError(f"identify: expected finite x, received rows that are not: {bad[:10]}")
        shares = tempered(logits, found.temperature)
        names = np.array(self.class_names)[shares.argmax(1)]
        familiar = None if familiarity is None else familiarity >= found.threshold
        return Identified(names, shares.max(1), shares, familiarity, familiar)

    def evidence(self, x: np.ndarray, *, batch_size: int = MEASURING_BATCH) -> Evidence:
        """Logits and familiarity of rows, in float32, as an artefact gives them.

        Args:
            x: `[N, *input_shape]`.
            batch_size: rows per batch.
        """
        raise NotImplementedError

    def generated_rows(self, n: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Rows of all tasks, always the same, and their labels; None where there are none.

        Args:
            n: how many.
        """
        return None

    def begin_task(self, task: Any) -> None:
        """Called before a task is learnt, whose classes are met: what was calibrated ends."""
        self._calibration = None
        self.meet(task.labels)

    def load_weights(self, *args: Any, **kwargs: Any) -> None:
        """Keras's `load_weights`: of other weights nothing is known."""
        self._calibration = None
        super().load_weights(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        found = self.calibration_record()
        return super().get_config() | ({} if found is None else {"calibration": found})

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Calibrated:
        config = dict(config)
        found = config.pop("calibration", None)
        model = super().from_config(config)
        model.restore_calibration(found)
        return model

    def restore_calibration(self, found: dict[str, Any] | None) -> None:
        """Take what was calibrated before, as `calibration_record` told it."""
        self._calibration = None if found is None else Calibration(**found)

    def calibration_record(self) -> dict[str, Any] | None:
        """The calibration as JSON can hold it; None where there is none."""
        return None if self.calibration is None else dataclasses.asdict(self.calibration)

    def _of_generated(self, seen: int) -> Labelled | None:
        """Generated rows of all tasks, where there are several and the method generates any."""
        rows = self.generated_rows(GENERATED_ROWS) if seen > 1 else None
        if rows is None:
            return None
        x, y = rows
        return Labelled(self.evidence(x), y, np.full(len(y), 1 / len(y)))
