"""The classes that each task of a class-incremental stream brings, and what the task is called."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_ccl.data.validation import check_positive

MOST_LISTED = 5
"""The most classes of a task that its name lists."""


def of_labels(
    labels: ArrayLike, classes_per_task: int, order: Sequence[int] | None, seed: int | None
) -> list[list[int]]:
    """Group the classes that labels hold; arguments and errors as of `streams.split`.

    Returns:
        The classes of each task.
    """
    check_positive("classes_per_task", classes_per_task, integer=True)
    labels = np.asarray(labels)
    if labels.size != len(labels):
        raise ValueError(f"split: expected integer labels [N], received {labels.shape}")
    classes = _in_order(sorted({int(k) for k in np.unique(labels)}), order, seed)
    return [classes[i : i + classes_per_task] for i in range(0, len(classes), classes_per_task)]


def _in_order(found: list[int], order: Sequence[int] | None, seed: int | None) -> list[int]:
    """Put classes, which are sorted, into the order asked for."""
    if order is None:
        return found if seed is None else np.random.default_rng(seed).permutation(found).tolist()
    classes = [int(k) for k in order]
    if seed is not None:
        raise ValueError(f"split: expected an order or a seed, received {classes} and {seed}")
    if sorted(classes) != found:
        raise ValueError(f"order: expected a rearrangement of {found}, received {classes}")
    return classes


def name_of(classes: Sequence[int]) -> str:
    """Name a task after its classes, in a few words however many they are."""
    first, last = classes[0], classes[-1]
    if len(classes) <= MOST_LISTED:
        return "classes " + ", ".join(map(str, classes))
    if list(classes) == list(range(first, last + 1)):
        return f"classes {first} to {last}"
    return f"classes {', '.join(map(str, classes[:3]))} and {len(classes) - 3} more"
