"""One clock for every benchmark: contenders in turns, medians and spread, memory by task."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and the seconds that it took."""
    started = time.perf_counter()
    result = run()
    return result, time.perf_counter() - started


def seconds_of(run: Callable[[], Any]) -> float:
    """The seconds that a function takes."""
    return timed(run)[1]


def in_turns(
    contenders: dict[str, Callable[[], Any]], *, rounds: int, warm_up: int = 1
) -> dict[str, np.ndarray]:
    """Time functions one after the other, over and over: a busy machine is busy for all of them.

    Args:
        contenders: functions by name.
        rounds: how often each is timed.
        warm_up: rounds before that, not timed, in which functions trace and load.

    Returns:
        Seconds by name, `[rounds]` each; equal positions were measured side by side.
    """
    seconds = {name: [] for name in contenders}
    for number in range(-warm_up, rounds):
        for name, run in contenders.items():
            took = seconds_of(run)
            if number >= 0:
                seconds[name].append(took)
    return {name: np.array(values) for name, values in seconds.items()}


def spread(values: np.ndarray) -> dict[str, Any]:
    """Median and quartiles."""
    low, middle, high = np.round(np.quantile(values, [0.25, 0.5, 0.75]), 3).tolist()
    return {"median": middle, "quartiles": [low, high]}


def resident_megabytes() -> float:
    """The resident memory of this process."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 2**20


class Watch(keras.callbacks.Callback):
    """Notes time and memory while tasks are learnt.

    Attributes:
        step_seconds: median seconds of a step, one per task.
        epoch_seconds: one per epoch, over all tasks.
        megabytes: resident memory at the end of each task.
    """

    def __init__(self):
        super().__init__()
        self.step_seconds, self.epoch_seconds, self.megabytes = [], [], []
        self._steps = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch_started = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._step_started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._steps.append(time.perf_counter() - self._step_started)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch_seconds.append(time.perf_counter() - self._epoch_started)

    def on_train_end(self, logs: dict | None = None) -> None:
        gc.collect()
        self.megabytes.append(round(resident_megabytes(), 1))
        self.step_seconds.append(round(float(np.median(self._steps)), 5))
        self._steps = []
