"""Labels that are missing: how rows are marked that have none, in the forms that labels come in."""

from typing import Any

import numpy as np

UNLABELLED = -1
"""The class index of a row without a label, as in scikit-learn."""

NO_NAME = ""
"""What stands for it among strings that are no Python objects, such as those of a dataset."""


def is_none(label: Any) -> bool:
    """Whether a Python object stands for no label: None, or what pandas has in its place."""
    return label is None or (not isinstance(label, str | bytes) and str(label) in ("nan", "<NA>"))


def is_missing(label: Any) -> bool:
    """Whether a label marks a row that has none, where that is no name of a class."""
    return is_none(label) or label in (UNLABELLED, NO_NAME)


def without_none(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels as NumPy holds them where None is not among them.

    Args:
        y: `[N]`, of any type; only objects may be None.

    Returns:
        The labels, `[N]`, with another of them in place of each None; where there is no other,
            `UNLABELLED`.
        Whether each was None, `[N]`.
    """
    if y.dtype.kind != "O":
        return y, np.full(len(y), False)
    missing = np.array([is_none(label) for label in y], bool)
    given = y[~missing].tolist()
    filled = np.array([given[0] if given else UNLABELLED] * len(y), object)
    filled[~missing] = given
    return np.asarray(filled.tolist()), missing


def mark_of(y: np.ndarray) -> int | str:
    """What marks a row without a label among labels of a kind: strings, or integers."""
    return NO_NAME if y.dtype.kind == "U" else UNLABELLED


def as_elements(y: Any, *, text: bool) -> np.ndarray:
    """Labels that code yields, a row's or a batch's, without None.

    Args:
        y: a label, or labels `[B]`.
        text: whether labels are strings.
    """
    found = np.asarray(y)
    if found.dtype.kind != "O":
        return found
    mark = NO_NAME if text else UNLABELLED
    filled = [mark if is_none(label) else label for label in found.reshape(-1)]
    return np.asarray(filled, object if text else None).reshape(found.shape)


def check_some_label(split: Any, number: int) -> None:
    """Refuse a first task without any label: no class is known then, and nothing could be learnt.

    Args:
        split: its train rows.
        number: of the task, counted over the life of the model.

    Raises:
        ValueError: naming the task.
    """
    if number == 1 and split.unlabelled == split.rows:
        raise ValueError(
            f"{split.where}: expected a label on at least one row, since no class was met before; "
            f"received none on {split.rows} rows"
        )
