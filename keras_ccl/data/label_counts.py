"""How many rows of a split have each label, and what follows from that."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

import numpy as np

from keras_ccl.data.labels import Name
from keras_ccl.data.missing_labels import UNLABELLED

if TYPE_CHECKING:
    from keras_ccl.data.validation import DataSpec


def count_labels(y: np.ndarray) -> Counter[int]:
    """How many rows have each label, by class.

    Args:
        y: `[N]` class indices.
    """
    found, numbers = np.unique(y[y != UNLABELLED], return_counts=True)
    return Counter(dict(zip(found.tolist(), numbers.tolist(), strict=True)))


class _Split(Protocol):
    @property
    def rows(self) -> int: ...
    @property
    def spec(self) -> DataSpec: ...
    @property
    def label_counts(self) -> Counter[int]: ...


class CountedLabels:
    """What the labels of a split tell, where `label_counts` counts them."""

    @property
    def classes(self: _Split) -> set[int]:
        """The classes among the labels."""
        return set(self.label_counts)

    @property
    def unlabelled(self: _Split) -> int:
        """How many rows have no label."""
        return self.rows - self.label_counts.total()

    @property
    def names(self: _Split) -> list[Name]:
        """The names of the classes among the labels."""
        return self.spec.names_of(self.label_counts)
