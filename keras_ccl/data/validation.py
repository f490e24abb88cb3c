"""Checks of options and data; every error names what was expected and what was received."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from keras_ccl.data.byte_inputs import as_floats, is_bytes
from keras_ccl.data.class_indices import check_numbers, class_indices, refuse_where
from keras_ccl.data.labels import LabelBook, Name, check_one_kind


class DataSpec(NamedTuple):
    """What a model expects of its data.

    Attributes:
        input_shape: The shape of one input.
        num_classes: The number of classes, K.
        unit_range: Whether inputs must lie in [0, 1], as a Bernoulli likelihood requires.
        labels: The names of the classes; None where labels are numbers from 0 to K - 1.
    """

    input_shape: tuple[int, ...]
    num_classes: int
    unit_range: bool
    labels: LabelBook | None = None

    @property
    def of_indices(self) -> "DataSpec":
        """The same of rows whose labels are indices already."""
        return self._replace(labels=None)

    def with_labels(self, labels: LabelBook | None) -> "DataSpec":
        """The same with these names of the classes; None changes nothing."""
        if labels is None:
            return self
        return self._replace(labels=labels, num_classes=labels.num_classes)

    def with_names(self, names: Iterable[Name]) -> "DataSpec":
        """The same with further names of classes, where the model takes such."""
        return self if self.labels is None else self.with_labels(self.labels.plus(names))

    def extended(self, y: ArrayLike, where: str) -> "DataSpec":
        """The same with the names among labels, where the model takes such; errors name `where`."""
        return self if self.labels is None else self.with_labels(self.labels.extended(y, where))

    def names_of(self, classes: Iterable[int]) -> list[Name]:
        """The names of classes, by their indices."""
        return [k if self.labels is None else self.labels.names[k] for k in sorted(classes)]

    def indices(self, y: ArrayLike, where: str) -> np.ndarray:
        """Convert labels to class indices, `[N]` int32; errors name `where`."""
        if self.labels is None:
            return class_indices(y, self.num_classes, where)
        return self.labels.indices(y, where)


def check_choice(option: str, value: Any, choices: Collection[Any]) -> None:
    """Refuse a value that is not among the choices.

    Args:
        option: The name of the option, for the error.
        value: Its value.
        choices: The values allowed.

    Raises:
        ValueError: If the value is another one; the error lists the choices.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{option}: expected one of {listed}; received {value!r}")


def check_positive(
    option: str, value: Any, *, integer: bool = False, or_zero: bool = False
) -> None:
    """Refuse a value that is not a finite positive number.

    Args:
        option: The name of the option, for the error.
        value: Its value.
        integer: Whether it must be an integer.
        or_zero: Whether 0 is allowed.

    Raises:
        ValueError: If the value is not such a number.
    """
    kinds: Any = (int, np.integer) if integer else (int, float, np.number)
    valid = isinstance(value, kinds) and not isinstance(value, bool) and np.isfinite(value)
    if not valid or value < 0 or (value == 0 and not or_zero):
        kind = "integer" if integer else "number"
        bound = ">= 0" if or_zero else "> 0"
        raise ValueError(f"{option}: expected a finite {kind} {bound}; received {value!r}")


def check_share(option: str, value: Any, *, or_one: bool = False) -> None:
    """Refuse a value that is not a number in [0, 1).

    Args:
        option: The name of the option, for the error.
        value: Its value.
        or_one: Whether 1 is allowed as well.

    Raises:
        ValueError: If the value is not such a number.
    """
    check_positive(option, value, or_zero=True)
    if value > 1 or (value == 1 and not or_one):
        interval = "[0, 1]" if or_one else "[0, 1)"
        raise ValueError(f"{option}: expected a share in {interval}; received {value!r}")


def check_input_shape(shape: Iterable[int]) -> tuple[int, ...]:
    """Refuse a shape of inputs in which a size is unknown or not positive.

    Args:
        shape: The shape of one input, without the batch.

    Returns:
        The shape, as a tuple of `int`.

    Raises:
        ValueError: If it is not such a shape.
    """
    sizes = tuple(shape) if isinstance(shape, Iterable) else (None,)
    if not all(isinstance(n, int | np.integer) and n > 0 for n in sizes):
        raise ValueError(
            "input_shape: expected the sizes of one input without the batch, such as (28, 28, 1) "
            f"or (12,); received {shape!r}"
        )
    return tuple(int(n) for n in sizes)


def check_shape(shape: Sequence[int | None], spec: DataSpec, where: str) -> None:
    """Refuse inputs whose shape differs from that of the model.

    Args:
        shape: The shape of one input, None where it is unknown.
        spec: What the model expects.
        where: Where the data come from, for the error, such as `"task 3, train"`.

    Raises:
        ValueError: If the shape differs.
    """
    same_rank = len(shape) == len(spec.input_shape)
    if not same_rank or any(
        a is not None and a != b for a, b in zip(shape, spec.input_shape, strict=True)
    ):
        raise ValueError(f"{where}: x is {tuple(shape)}, the model expects {spec.input_shape}")


def classes_of(
    num_classes: int | None, class_names: Sequence[Name] | LabelBook | None
) -> tuple[LabelBook | None, int]:
    """Check the two options of a model that tell its classes.

    Args:
        num_classes: The number of classes, or None.
        class_names: Their names, or None.

    Returns:
        The names, None where labels are numbers; and how many classes a model has room for.

    Raises:
        ValueError: If they do not fit; see `LabelBook.for_model`.
    """
    labels = LabelBook.for_model(num_classes, class_names)
    if labels is not None:
        return labels, labels.num_classes
    check_positive("num_classes", num_classes, integer=True)
    assert num_classes is not None
    return None, num_classes


def check_rows(
    x: ArrayLike, y: ArrayLike, spec: DataSpec, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Refuse data that the model cannot learn from.

    Args:
        x: Inputs, `[N, ...]`.
        y: Labels, `[N]` or `[N, 1]`, numbers or names; or one-hot `[N, K]`.
        spec: What the model expects.
        where: Where the data come from, for errors, such as `"task 3, train"`.

    Returns:
        The inputs as float32, `[N, ...]`.
        The labels as int32, `[N]`.

    Raises:
        ValueError: If the data do not fit; the error names `where`, what was expected and what was
            received.
    """
    check_one_kind(y, where)
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(
            f"{where}: expected as many labels as rows of x, received x {x.shape} and y {y.shape}"
        )
    check_shape(x.shape[1:], spec, where)
    check_numbers(x.dtype, where, "real numbers in x")
    if len(x) and not is_bytes(x.dtype, spec.unit_range):
        _check_range(x, spec, where)
    return as_floats(x, spec.unit_range), spec.indices(y, where)


def check_weight(weight: ArrayLike, rows: int, where: str) -> np.ndarray:
    """Refuse weights of rows that are not finite numbers >= 0, one for each row.

    Args:
        weight: `[N]` or `[N, 1]`.
        rows: N.
        where: Where the data come from, for errors.

    Returns:
        The weights as float32, `[N]`.

    Raises:
        ValueError: If they are anything else.
    """
    given = np.asarray(weight)
    weight = given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given
    if weight.shape != (rows,) or not np.issubdtype(weight.dtype, np.number):
        raise ValueError(
            f"{where}: expected a sample_weight for each of {rows} rows, received "
            f"{given.dtype} {given.shape}"
        )
    bad = ~np.isfinite(weight) | (weight < 0)
    refuse_where(bad, weight, where, "expected finite sample_weights >= 0")
    return weight.astype(np.float32)


def _check_range(x: np.ndarray, spec: DataSpec, where: str) -> None:
    low, high = x.min(), x.max()  # a NaN anywhere makes both NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(x)))
        raise ValueError(f"{where}: expected finite x, received {bad} NaN or infinite values")
    if spec.unit_range and (low < 0 or high > 1):
        raise ValueError(
            f"{where}: a Bernoulli likelihood expects x in [0, 1], received x from {low} to {high}"
            + ("; divide by 255" if high <= 255 and low >= 0 and high > 1 else "")
        )
