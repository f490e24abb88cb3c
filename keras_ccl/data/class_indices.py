"""Class indices of labels that are numbers, and the errors about labels."""

import numpy as np
from numpy.typing import ArrayLike

from keras_ccl.data.missing_labels import UNLABELLED, without_none


def check_numbers(dtype: np.dtype, where: str, expected: str = "real numbers") -> None:
    """Refuse values that are not real numbers.

    Args:
        dtype: Their type.
        where: Where they come from, for the error, such as `"task 3, train"`.
        expected: What was expected, for the error.

    Raises:
        ValueError: If they are text, complex, dates or objects.
    """
    if not np.can_cast(dtype, np.float32, "same_kind"):
        raise ValueError(f"{where}: expected {expected}, received dtype {dtype}")


def class_indices(y: ArrayLike, num_classes: int, where: str) -> np.ndarray:
    """Convert labels to class indices.

    Args:
        y: Integers `[N]` or `[N, 1]`, -1 or None for a row without a label; or one-hot rows
            `[N, K]`, of such a row only 0.
        num_classes: The number of classes, K.
        where: Where the labels come from, for errors.

    Returns:
        The indices in [0, K), `[N]` int32; -1 for a row without a label.

    Raises:
        ValueError: If labels are fractional, negative, too large or not one-hot.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.shape[1] == num_classes:
        return _one_hot_to_indices(y, where)
    if y.ndim != 1:
        raise ValueError(
            f"{where}: expected labels [N] or one-hot [N, {num_classes}], received {y.shape}"
        )
    y, missing = without_none(y)
    check_numbers(y.dtype, where, "integer labels")
    whole = np.full(len(y), True)
    if y.dtype.kind not in "iub":
        whole = np.isfinite(y) & (y == np.floor(y))
    refuse_where(~whole, y, where, "expected integer labels")
    missing |= y == UNLABELLED
    bad = ~missing & ((y < 0) | (y >= num_classes))
    refuse_where(bad, y, where, f"expected labels from 0 to {num_classes - 1}")
    return np.where(missing, UNLABELLED, y).astype(np.int32)


def _one_hot_to_indices(y: np.ndarray, where: str) -> np.ndarray:
    ones = y.sum(1)
    valid = np.isin(y, (0, 1)).all(1) & (ones <= 1)
    refuse_where(~valid, y, where, "expected one-hot rows, a single 1 among 0")
    return np.where(ones == 0, UNLABELLED, y.argmax(1)).astype(np.int32)


def refuse_where(bad: np.ndarray, y: np.ndarray, where: str, expected: str) -> None:
    """Raise an error about the first of the labels that are marked as bad, if there are any."""
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{where}: {expected}, received {np.asarray(y[row]).tolist()!r} in row {row}"
        )
