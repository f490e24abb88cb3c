"""KerasTraining: Keras's words about training, for a model whose step is its own."""

import contextlib
from typing import Any

import keras
import tensorflow as tf

from keras_ccl.data.keras_rows import BATCH, check_class_weight, together
from keras_ccl.data.splits import as_split
from keras_ccl.data.validation import check_rows, check_weight
from keras_ccl.models.calibrated import Calibrated
from keras_ccl.models.step_metrics import StepMetrics
from keras_ccl.models.user_metrics import Accuracy, AsGiven, as_metrics, grow_metrics, one_row
from keras_ccl.results.history import TaskHistory
from keras_ccl.results.stream_history import StreamHistory
from keras_ccl.training.fit_one_task import fit_one_task
from keras_ccl.training.fit_stream import fit_stream
from keras_ccl.training.fit_tasks import fit_tasks
from keras_ccl.training.optimizer import build_optimizer, grow_optimizer


class KerasTraining(Calibrated):
    """`compile`, `fit`, `evaluate` and their kin. The step is that of the class below it.

    Attributes:
        step_metrics: running means of what the steps measure, made by the class below.
        measured_always: the names of those that both `train_step` and `test_step` measure.
        measured_in_test: those of `test_step` alone.
        task_history: of the last `fit_tasks`, up to where it came, or None.
        stream_history: of the last `fit_stream`, likewise.
        one_pass: whether more than one epoch of a task would teach it nothing.
    """

    one_pass = False

    step_metrics: StepMetrics
    task_history: TaskHistory | None = None
    stream_history: StreamHistory | None = None
    measured_always: tuple[str, ...]
    measured_in_test: tuple[str, ...]

    fit_tasks = fit_tasks
    fit_stream = fit_stream
    fit = fit_one_task
    keras_fit = keras.Model.fit

    # Compiling.

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: None = None,
        loss_weights: None = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **options: Any,
    ) -> None:
        """Keras's `compile`. The loss is the joint bound, and accuracy is measured in any case.

        Args:
            optimizer: as in Keras.
            loss: refused, like `loss_weights`.
            loss_weights: refused.
            metrics: as in Keras; they compare one-hot labels with p(y|x), those whose name begins
                with "sparse" integer labels. On the rows of the current task and in evaluation.
            weighted_metrics: as in Keras.
            **options: `run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss`.

        Raises:
            ValueError: for a loss, or a metric that does not fit.
        """
        for option, value in (("loss", loss), ("loss_weights", loss_weights)):
            if value is not None:
                raise ValueError(
                    f"{option}: expected none, since the loss is the joint bound, whose terms are "
                    "weighed by options of the model; terms are added by a `Method`; received "
                    f"{value!r}"
                )
        taken = {*self.step_metrics.means, "accuracy"}
        with self.distribute_strategy.scope():
            own = Accuracy()
            measured, weighted = (
                as_metrics(option, given, self.num_classes, taken=taken)
                for option, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics))
            )
            super().compile(
                optimizer, metrics=measured, weighted_metrics=[own, *weighted], **options
            )
            # Made now, not within the first step: names, callbacks and checkpoints ask for them.
            self._compile_metrics.update_state(*one_row(self.num_classes))
            self._compile_metrics.reset_state()
        self._metrics_as_given = AsGiven(metrics=metrics, weighted_metrics=weighted_metrics)

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was called with."""
        config = super().get_compile_config()
        return {**config, **self._metrics_as_given.serialized()} if config else config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was compiled. Keras does so where `compile` is its own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        build_optimizer(self)

    def grow_to(self, num_classes: int, *, anew: bool, **options: Any) -> None:
        super().grow_to(num_classes, anew=anew, **options)
        grow_optimizer(self)
        if self.compiled:
            with self.distribute_strategy.scope():
                grow_metrics(self._compile_metrics.metrics, num_classes)

    # What is measured.

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        compiled = [self._compile_metrics] if self.compiled else []
        return [*self.step_metrics.means.values(), *compiled]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns as a list, in its order.

        `train_on_batch` returns the first of them: all that a step measures, but for the terms of
        a method.
        """
        compiled = self._compile_metrics.result() if self.compiled else {}
        return [*self.measured_always, *compiled, *self.measured_in_test]

    def measure(
        self,
        values: dict[str, tf.Tensor],
        y: tf.Tensor,
        logits: tf.Tensor,
        weight: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Add the figures of one batch, and those of the compiled metrics.

        Args:
            values: as in `StepMetrics.update`.
            y: `[B, K]`, one-hot; 0 for a row without a label, which no metric counts.
            logits: `[B, K]`, of p(y|x).
            weight: `[B]`, of the rows, or None.

        Returns:
            The running means of all of them, scalars.
        """
        means = self.step_metrics.update(values, tf.shape(y)[0])
        self._compile_metrics.update_state(y, tf.nn.softmax(logits), weight)
        return {**means, **self._compile_metrics.result()}

    def get_metrics_result(self) -> dict[str, float]:
        """The running means, over all replicas, of what the last epoch or evaluation measured."""
        found = self.step_metrics.measured()
        if found:
            compiled = self._compile_metrics.result()
            found |= {name: float(value) for name, value in compiled.items()}
        return found

    # Rows that come from outside.

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Keras's `evaluate`: the joint bound, the negative ELBO and the compiled metrics.

        Args:
            x: inputs, or any form of rows that `fit_tasks` takes, whose labels may be integers
                `[N]` or `[N, 1]`, or one-hot `[N, K]`.
            y: the labels of x where it is an array.
            batch_size: as in Keras.
            verbose: as in Keras.
            sample_weight: `[N]`. As in Keras, the sum over rows of weight times loss is divided by
                the number of rows; accuracy is the weighted mean.
            steps: as in Keras.
            callbacks: as in Keras.
            return_dict: as in Keras.
            **kwargs: what Keras's `fit` passes, whose rows are checked already.

        Returns:
            The figures by name, or a list of them in the order of `metrics_names`.

        Raises:
            TypeError, ValueError: for rows that do not fit.
        """
        reading: contextlib.AbstractContextManager = contextlib.nullcontext()
        if not kwargs:
            size = batch_size or BATCH
            data = together(x, y, sample_weight)
            split = as_split(data, self.data_spec, "evaluate", batch_size=size, steps=steps)
            x, y, sample_weight = split.batches(size), None, None
            reading = split.measured()
        with reading:
            logs = super().evaluate(
                x, y, None, verbose, sample_weight, steps, callbacks, return_dict=True, **kwargs
            )
        return logs if return_dict else self._as_list(logs)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Keras's `train_on_batch`: one step. No task begins or ends with it; see `fit`.

        A list holds what `metrics_names` tells, a dict the terms of a method too.
        """
        x, y = check_rows(x, y, self.data_spec, "train_on_batch")
        if sample_weight is not None:
            sample_weight = check_weight(sample_weight, len(x), "train_on_batch")
        weights = check_class_weight(class_weight, self.num_classes, self.labels)
        class_weight = None if weights is None else dict(enumerate(weights))
        self._calibration = None
        logs = super().train_on_batch(x, y, sample_weight, class_weight, return_dict=True)
        return logs if return_dict else self._as_list(logs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Keras's `test_on_batch`, of rows that `evaluate` takes."""
        x, y = check_rows(x, y, self.data_spec, "test_on_batch")
        if sample_weight is not None:
            sample_weight = check_weight(sample_weight, len(x), "test_on_batch")
        logs = super().test_on_batch(x, y, sample_weight, return_dict=True)
        return logs if return_dict else self._as_list(logs)

    def _as_list(self, logs: dict[str, float]) -> list[float]:
        return [logs[name] for name in self.metrics_names if name in logs]

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Build the optimizer, the only part that is not built yet.

        To find out, Keras would reduce a batch over the replicas, which fails with several workers
        and where a short batch leaves a replica without rows.
        """
        if self.optimizer is not None:
            build_optimizer(self)
