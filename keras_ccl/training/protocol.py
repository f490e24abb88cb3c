"""ContinualModel: what `fit_tasks` needs of a model. It imports no model."""

import contextlib
from collections.abc import Callable, Collection
from typing import Any, Protocol

import keras
import tensorflow as tf

from keras_ccl.data.labels import Name
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import Split
from keras_ccl.data.validation import DataSpec
from keras_ccl.results.history import TaskHistory
from keras_ccl.results.stream_history import StreamHistory


class ContinualModel(Protocol):
    """A Keras model that learns one task after the other.

    `compile` and `keras_fit`, which begins and ends no task, are Keras's own, and so is `evaluate`,
    which takes splits too; what it returns holds `accuracy` and, of a generative model,
    `negative_elbo` (nats).

    Attributes:
        tasks_seen: how many tasks were learnt, an integer weight, counted by `end_task`.
        noise: the weight, `[2]` int32, that `next_seed` counts on.
        seed: of initial weights and noise, or None.
        method_name: what histories call the method.
        data_spec: what the model expects of rows.
        backbone: what rows go through before the networks, or None.
        one_pass: whether more than one epoch of a task would teach it nothing.
        task_history: of the last `fit_tasks`, up to where it came, or None.
        stream_history: of the last `fit_stream`, likewise.
        name: of the model.
    """

    tasks_seen: Any
    noise: Any
    seed: int | None
    backbone: keras.Model | None
    name: str
    one_pass: bool
    task_history: TaskHistory | None
    stream_history: StreamHistory | None
    optimizer: keras.optimizers.Optimizer
    compiled: bool
    steps_per_execution: int
    stop_training: bool

    distribute_strategy: Any
    compile: Callable[..., None]
    keras_fit: Callable[..., Any]
    evaluate: Callable[..., Any]

    @property
    def method_name(self) -> str: ...

    @property
    def class_names(self) -> tuple[Name, ...]: ...

    @property
    def data_spec(self) -> DataSpec: ...

    def options(self) -> dict[str, Any]:
        """What the model was made with, as JSON can hold it."""
        ...

    def next_seed(self) -> tf.Tensor:
        """A stateless seed, `[2]` int32, that comes once."""
        ...

    def term_weights(self) -> dict[str, float]:
        """The weight of each term of the loss, by the name that it is logged under."""
        ...

    def observed(self, task: ReadyTask) -> ReadyTask:
        """A task as the model sees it: its features, where a backbone makes them."""
        ...

    def begin_task(self, task: ReadyTask) -> None:
        """Called before `fit` on the rows of a task."""
        ...

    def end_task(self, task: ReadyTask) -> None:
        """Called after it: keeps what later tasks need, and counts the task."""
        ...

    @property
    def learnt_classes(self) -> frozenset[int]:
        """The indices of the classes that tasks had, but for those forgotten since."""
        ...

    def check_forgets(self, rows: Split | None) -> None:
        """Refuse to forget classes where that cannot be done.

        Args:
            rows: all rows of them that were learnt, or None.

        Raises:
            TypeError: for a model that has nothing to teach the other classes with.
            ValueError: for a model within a task.
        """
        ...

    def forgetting(
        self, classes: Collection[int], rows: Split | None, *, generated: int
    ) -> contextlib.AbstractContextManager[ReadyTask | None]:
        """A context in which what it yields is to be fitted; at its end classes are forgotten."""
        ...

    def validation_rows(self, split: Split, batch_size: int) -> tf.data.Dataset:
        """What callbacks judge by: a dataset of (x, y, weight)."""
        ...
