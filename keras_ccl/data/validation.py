"""What may enter: checks of options and rows, each an error that tells expected and received."""

from typing import NamedTuple

import numpy as np


class DataSpec(NamedTuple):
    """What a model expects of a row.

    Attributes:
        input_shape: shape of one x.
        num_classes: K.
        unit_range: whether x must lie in [0, 1] (a Bernoulli likelihood).
    """

    input_shape: tuple
    num_classes: int
    unit_range: bool


def check_choice(option, value, choices):
    """Refuse an unknown option, listing the choices."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{option}: expected one of {listed}; received {value!r}")


def check_positive(option, value, *, integer=False, or_zero=False):
    """Refuse a number that is not finite and positive (or zero), or not an integer."""
    kinds = (int, np.integer) if integer else (int, float, np.number)
    valid = isinstance(value, kinds) and not isinstance(value, bool) and np.isfinite(value)
    if not valid or value < 0 or (value == 0 and not or_zero):
        kind = "integer" if integer else "number"
        bound = ">= 0" if or_zero else "> 0"
        raise ValueError(f"{option}: expected a finite {kind} {bound}; received {value!r}")


def check_share(option, value, *, or_one=False):
    """Refuse what is not a number in [0, 1), or in [0, 1]."""
    check_positive(option, value, or_zero=True)
    if value > 1 or (value == 1 and not or_one):
        interval = "[0, 1]" if or_one else "[0, 1)"
        raise ValueError(f"{option}: expected a share in {interval}; received {value!r}")


def check_shape(shape, spec, where):
    """Refuse rows of another shape than the model's.

    Args:
        shape: shape of one row of x, None where unknown; where: `"task 3, train"`.
    """
    same_rank = len(shape) == len(spec.input_shape)
    if not same_rank or any(
        a is not None and a != b for a, b in zip(shape, spec.input_shape, strict=True)
    ):
        raise ValueError(f"{where}: x is {tuple(shape)}, the model expects {spec.input_shape}")


def check_rows(x, y, spec, where):
    """Refuse rows that no bound is defined for.

    Args:
        x: [N, ...] array; y: [N], [N, 1] or one-hot [N, K] array; spec: a `DataSpec`;
        where: what to call the rows in an error, such as `"task 3, train"`.

    Returns:
        x as float32 and y as int32 [N].

    Raises:
        ValueError: naming `where`, what was expected and what came.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(
            f"{where}: expected as many labels as rows of x, received x {x.shape} and y {y.shape}"
        )
    check_shape(x.shape[1:], spec, where)
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool):
        raise ValueError(f"{where}: expected numbers in x, received dtype {x.dtype}")
    if len(x):
        _check_range(x, spec, where)
    return x.astype(np.float32, copy=False), class_indices(y, spec.num_classes, where)


def class_indices(y, num_classes, where):
    """Labels as int32 [N] in [0, K), from integers [N] or [N, 1], or one-hot rows [N, K].

    Raises:
        ValueError: for labels that are fractional, negative, too large or not one-hot.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.shape[1] == num_classes:
        return _from_one_hot(y, where)
    if y.ndim != 1:
        raise ValueError(
            f"{where}: expected labels [N] or one-hot [N, {num_classes}], received {y.shape}"
        )
    if not (np.issubdtype(y.dtype, np.number) or y.dtype == bool):
        raise ValueError(f"{where}: expected integer labels, received dtype {y.dtype}")
    whole = np.isfinite(y) & (y == np.floor(y)) if y.dtype.kind == "f" else np.full(len(y), True)
    _refuse_first(~whole, y, where, "expected integer labels")
    _refuse_first(
        (y < 0) | (y >= num_classes), y, where, f"expected labels from 0 to {num_classes - 1}"
    )
    return y.astype(np.int32)


def _check_range(x, spec, where):
    low, high = x.min(), x.max()  # a NaN anywhere makes both NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(x)))
        raise ValueError(f"{where}: expected finite x, received {bad} NaN or infinite values")
    if spec.unit_range and (low < 0 or high > 1):
        raise ValueError(
            f"{where}: a Bernoulli likelihood expects x in [0, 1], received x from {low} to {high}"
            + ("; divide by 255" if high <= 255 and low >= 0 and high > 1 else "")
        )


def _from_one_hot(y, where):
    valid = np.isin(y, (0, 1)).all(1) & (y.sum(1) == 1)
    _refuse_first(~valid, y, where, "expected one-hot rows, a single 1 among 0")
    return y.argmax(1).astype(np.int32)


def _refuse_first(bad, y, where, expected):
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{where}: {expected}, received {y[row].tolist()} in row {row}")
