"""The metrics that a user gives to `compile`, as the step of a joint model updates them."""

import inspect
from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.bounds.objectives import has_label
from keras_ccl.training.grown_weights import grow_alike


class Accuracy(keras.metrics.CategoricalAccuracy):
    """The accuracy on rows that have a label; NaN where there was none."""

    def __init__(self) -> None:
        super().__init__(name="accuracy")

    def update_state(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> None:
        weight = has_label(y_true)
        super().update_state(y_true, y_pred, _times(weight, sample_weight))

    def result(self) -> tf.Tensor:
        return tf.where(self.count > 0, super().result(), np.nan)


class OfLabelled(keras.metrics.Metric):
    """A metric of the rows that have a label, where labels are one-hot.

    Args:
        metric: the metric, such as `SparseTopKCategoricalAccuracy`.
        sparse: whether its labels are integers.
    """

    def __init__(self, metric: keras.metrics.Metric, *, sparse: bool) -> None:
        super().__init__(name=metric.name)
        self.metric, self.sparse = metric, sparse
        parameters = inspect.signature(metric.update_state).parameters.values()
        self._weighs = any(p.name == "sample_weight" or p.kind == p.VAR_KEYWORD for p in parameters)
        if hasattr(metric, "_direction"):
            self._direction = metric._direction  # what Keras's callbacks look at

    def update_state(
        self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> None:
        labelled = has_label(y_true)
        y_true = tf.argmax(y_true, -1) if self.sparse else y_true
        if self._weighs:
            weight = _times(labelled, sample_weight)
            self.metric.update_state(y_true, y_pred, sample_weight=weight)
        else:
            self.metric.update_state(*(part[labelled > 0] for part in (y_true, y_pred)))

    def result(self) -> tf.Tensor:
        return self.metric.result()

    def reset_state(self) -> None:
        self.metric.reset_state()


def _times(weight: tf.Tensor, other: tf.Tensor | None) -> tf.Tensor:
    return weight if other is None else weight * tf.cast(other, weight.dtype)


def as_metrics(
    option: str, given: Any, num_classes: int, *, taken: Collection[str]
) -> list[keras.metrics.Metric]:
    """The metrics of `compile(metrics=...)`, each tried on one row.

    They compare one-hot labels `[B, K]` with p(y|x) `[B, K]`; those of integer labels, whose name
    begins with "sparse", compare `[B]` with it. "accuracy" is measured in any case.

    Args:
        option: the name of the argument, for errors.
        given: what the user passed: None, or a list or dict of names, functions and metrics.
        num_classes: K.
        taken: names that the model logs already.

    Raises:
        ValueError: for a name that is taken, or a metric that does not give one number.
    """
    wanted = [one for one in keras.tree.flatten(given) if one is not None and one != "accuracy"]
    metrics = [_as_metric(identifier) for identifier in wanted]
    for metric in metrics:
        if metric.name in taken:
            raise ValueError(
                f"{option}: {metric.name!r} is the name of something that is logged already; give "
                "the metric another name"
            )
        _try(option, metric, num_classes)
    return metrics


def _as_metric(identifier: Any) -> keras.metrics.Metric:
    if isinstance(identifier, str) and identifier.lower() in ("acc", "accuracy"):
        return OfLabelled(keras.metrics.CategoricalAccuracy(name=identifier), sparse=False)
    found = keras.metrics.get(identifier)
    if not isinstance(found, keras.metrics.Metric):
        name = identifier if isinstance(identifier, str) else found.__name__
        found = keras.metrics.MeanMetricWrapper(found, name=name)
    elif isinstance(identifier, str):
        found.name = identifier  # as Keras calls it
    kinds = (type(found), getattr(found, "_fn", None))
    sparse = any(getattr(kind, "__name__", "").lower().startswith("sparse") for kind in kinds)
    return OfLabelled(found, sparse=getattr(found, "sparse_y_true", sparse))


def _try(option: str, metric: keras.metrics.Metric, num_classes: int) -> None:
    """Update a metric with one row, which makes its variables, and reset it."""
    try:
        metric.update_state(*one_row(num_classes))
        shape: Sequence[int] = tf.convert_to_tensor(metric.result()).shape
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise ValueError(
            f"{option}: {metric.name!r} does not compare labels with probabilities "
            f"[B, {num_classes}]: {error}"
        ) from error
    metric.reset_state()
    if len(shape):
        raise ValueError(
            f"{option}: expected metrics that are one number, {metric.name!r} has shape "
            f"{tuple(shape)}; where it has an `average`, 'macro' gives one number"
        )


def one_row(num_classes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """A one-hot label and probabilities, `[1, K]`: what metrics are made ready with."""
    return tf.one_hot([0], num_classes), tf.fill([1, num_classes], 1 / num_classes)


def grow_metrics(metrics: Sequence[keras.metrics.Metric], num_classes: int) -> None:
    """Let metrics that hold a number for each class hold one for each of more classes.

    Args:
        metrics: as `as_metrics` gives them.
        num_classes: K.

    Raises:
        ValueError: for a metric that was made for another number of classes.
    """
    for metric in metrics:
        given = metric.metric if isinstance(metric, OfLabelled) else metric
        if all(len(variable.shape) == 0 for variable in given.variables):
            continue
        twin = type(given).from_config(given.get_config())
        _try("metrics", twin, num_classes)
        grow_alike(given.variables, twin.variables)


class AsGiven:
    """Arguments of `compile` as they were given, kept from Keras's tracking of attributes."""

    def __init__(self, **given: Any) -> None:
        self.given = given

    def serialized(self) -> dict[str, Any]:
        return {k: keras.saving.serialize_keras_object(v) for k, v in self.given.items()}
