"""Rows as Keras's own methods take them: x, y, sample_weight and class_weight apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.data.labels import LabelBook
from keras_ccl.data.validation import check_positive

BATCH = 32
"""Rows per batch where none are named, as in Keras."""


def together(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Rows in one of the forms that a split of a task may have.

    Args:
        x: inputs, or rows that bring their labels.
        y: the labels of inputs, else None.
        sample_weight: the weights of inputs, or None.

    Raises:
        ValueError: for labels or weights beside rows that bring their own.
    """
    given = {"y": y, "sample_weight": sample_weight}
    apart = [name for name, value in given.items() if value is not None]
    if isinstance(x, tf.data.Dataset) and apart:
        raise ValueError(
            f"{apart[0]}: expected none, since a tf.data.Dataset brings its own, (x, y) or "
            f"(x, y, sample_weight); received {type(given[apart[0]]).__name__}"
        )
    if not apart:
        return x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def check_class_weight(
    class_weight: Mapping[Any, float] | None,
    num_classes: int,
    labels: LabelBook | None = None,
    *,
    later: bool = False,
) -> list[float] | None:
    """The weight of each class, 1 where none is given; None where there are no weights.

    Args:
        class_weight: weights by class.
        num_classes: K.
        labels: the names of the classes; None where they are numbers.
        later: whether names may be among them that later tasks bring.

    Raises:
        ValueError: for a class that there is not, or a weight that is not a finite number >= 0.
    """
    if class_weight is None:
        return None
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight: expected a dict of weights by class, received {class_weight!r}"
        )
    if labels is not None:
        for label, weight in class_weight.items():
            check_positive(f"class_weight[{label!r}]", weight, or_zero=True)
        return labels.weights(class_weight, later=later)
    weights = [1.0] * num_classes
    for label, weight in class_weight.items():
        known = isinstance(label, int | np.integer) and 0 <= label < num_classes
        if not known or isinstance(label, bool):
            raise ValueError(
                f"class_weight: expected classes from 0 to {num_classes - 1}, received {label!r}"
            )
        check_positive(f"class_weight[{label}]", weight, or_zero=True)
        weights[label] = float(weight)
    return weights


def weigh_classes(rows: tf.data.Dataset, weights: list[float] | None) -> tf.data.Dataset:
    """Rows that weigh by their class, 1 without a label, times the weight that they have.

    Args:
        rows: batches of (x, y) or (x, y, weight), y integers.
        weights: of each class, or None.

    Returns:
        Batches of (x, y, weight); `rows` themselves where there are no weights.
    """
    if weights is None:
        return rows
    by_class = tf.constant([*weights, 1.0])  # the last: of a row without a label

    def weighed(x: tf.Tensor, y: tf.Tensor, *weight: tf.Tensor) -> tuple[tf.Tensor, ...]:
        of_class = tf.gather(by_class, tf.where(y < 0, len(weights), y))
        return x, y, of_class * weight[0] if weight else of_class

    return rows.map(weighed)


def check_executions(together: int, steps: int | None, where: str) -> None:
    """Refuse `steps_per_execution` with which Keras would do more steps than an epoch has.

    Args:
        together: how many steps are executed together.
        steps: of an epoch; None where the rows end with it, and the last execution too.
        where: whose rows they are, for the error.

    Raises:
        ValueError: if the steps of an epoch are no multiple.
    """
    if steps is not None and steps % together:
        raise ValueError(
            f"{where}: expected steps_per_execution that divides the {steps} steps of an epoch, "
            f"received {together}; choose steps_per_epoch or batch_size accordingly"
        )
