"""The classes that each task of a class-incremental stream brings, and what the task is called."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_ccl.data.labels import Name
from keras_ccl.data.missing_labels import is_missing
from keras_ccl.data.validation import check_positive

MOST_LISTED = 5
"""The most classes of a task that its name lists."""


def of_labels(
    labels: ArrayLike, classes_per_task: int, order: Sequence[Name] | None, seed: int | None
) -> list[list[Name]]:
    """Group the classes that labels hold; arguments and errors as of `streams.split`.

    Returns:
        The classes of each task.
    """
    check_positive("classes_per_task", classes_per_task, integer=True)
    labels = np.asarray(labels)
    if labels.size != len(labels):
        raise ValueError(f"split: expected integer labels [N], received {labels.shape}")
    missing = np.array([is_missing(label) for label in labels.reshape(-1)])
    if missing.any():
        raise ValueError(
            "split: expected a label for each row, since it tells the task of the row, received "
            f"none in row {int(missing.argmax())}; hide labels afterwards: partly_labelled(stream)"
        )
    classes = _in_order(_as_names(np.unique(labels).tolist()), order, seed)
    return [classes[i : i + classes_per_task] for i in range(0, len(classes), classes_per_task)]


def _as_names(classes: Sequence[Any]) -> list[Name]:
    return [k if isinstance(k, str) else int(k) for k in classes]


def _in_order(found: list[Name], order: Sequence[Name] | None, seed: int | None) -> list[Name]:
    """Put classes, which are sorted, into the order asked for."""
    if order is None:
        return found if seed is None else np.random.default_rng(seed).permutation(found).tolist()
    classes = _as_names(order)
    if seed is not None:
        raise ValueError(f"split: expected an order or a seed, received {classes} and {seed}")
    if sorted(classes, key=str) != sorted(found, key=str):
        raise ValueError(f"order: expected a rearrangement of {found}, received {classes}")
    return classes


def name_of(classes: Sequence[Name]) -> str:
    """Name a task after its classes, in a few words however many they are."""
    first, last = classes[0], classes[-1]
    if len(classes) <= MOST_LISTED:
        return "classes " + ", ".join(map(str, classes))
    if isinstance(first, int) and isinstance(last, int):
        in_a_row = list(classes) == list(range(first, last + 1))
    else:
        in_a_row = False
    if in_a_row:
        return f"classes {first} to {last}"
    return f"classes {', '.join(map(str, classes[:3]))} and {len(classes) - 3} more"
