"""LabelBook: the names of the classes in the order of their indices."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_ccl.data.class_indices import refuse_where

Name = int | str

MOST_LISTED = 10
"""The most names that an error lists."""


@dataclass(frozen=True)
class LabelBook:
    """The names of the classes, all strings or all integers; a class is known by its place here.

    Attributes:
        names: In the order of the indices.
        is_open: Whether tasks may bring further names.
    """

    names: tuple[Name, ...] = ()
    is_open: bool = False

    @classmethod
    def for_model(
        cls, num_classes: int | None, names: "Sequence[Name] | LabelBook | None"
    ) -> "LabelBook | None":
        """Make the book that two options of a model ask for.

        Args:
            num_classes: The option `num_classes`.
            names: The option `class_names`; or a book, of a model that is loaded.

        Returns:
            A closed book of the names; an open one without any where neither is given; or None
                where labels are numbers.

        Raises:
            ValueError: If both are given, or names that are not a list of different strings or
                different integers.
        """
        if isinstance(names, LabelBook):
            return names
        if names is None:
            return cls(is_open=True) if num_classes is None else None
        if num_classes is not None:
            raise ValueError(
                "num_classes: expected None beside class_names, which tell how many there are; "
                f"received {num_classes!r}"
            )
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise ValueError(f"class_names: expected a list of names, received {names!r}")
        given = list(names)
        check_one_kind(given, "class_names")
        found = _names_in(np.asarray(given), "class_names").tolist()
        twice = [name for name in dict.fromkeys(found) if found.count(name) > 1]
        if not found or twice:
            received = f"{twice[0]!r} twice" if twice else "none"
            raise ValueError(f"class_names: expected different names, received {received}")
        return cls(tuple(found))

    @classmethod
    def open_with(cls, names: Sequence[Name]) -> "LabelBook":
        """An open book that holds names already, which are checked."""
        book = cls.for_model(None, names) if names else None
        return cls(() if book is None else book.names, is_open=True)

    def options(self) -> dict[str, Any]:
        """The options of a model with this book, as JSON can hold them."""
        return {"num_classes": None} | ({} if self.is_open else {"class_names": [*self.names]})

    @property
    def num_classes(self) -> int:
        """How many classes a model has room for: one before it met any."""
        return max(len(self.names), 1)

    def indices(self, y: ArrayLike, where: str) -> np.ndarray:
        """Convert labels to class indices.

        Args:
            y: Names, `[N]` or `[N, 1]`.
            where: Where the labels come from, for errors.

        Returns:
            The indices, `[N]` int32.

        Raises:
            ValueError: If one is not among the names.
        """
        given = self._of_one_kind(_names_in(y, where), where)
        each, place = np.unique(given, return_inverse=True)
        known = {name: index for index, name in enumerate(self.names)}
        found = np.array([known.get(name, -1) for name in each.tolist()], np.int32)[place]
        refuse_where(found < 0, given, where, f"expected labels {self}")
        return found

    def extended(self, y: ArrayLike, where: str) -> "LabelBook":
        """Add the names among labels; a closed book stays as it is.

        Args:
            y: Names, `[N]` or `[N, 1]`.
            where: Where the labels come from, for errors.

        Raises:
            ValueError: If they are neither strings nor integers, or not what the names are.
        """
        return self.plus(np.unique(self._of_one_kind(_names_in(y, where), where)).tolist())

    def plus(self, names: Iterable[Name]) -> "LabelBook":
        """Add names, sorted, so that the order in which they came does not matter."""
        if not self.is_open:
            return self
        return LabelBook((*self.names, *sorted({*names} - {*self.names})), is_open=True)

    def without(self, indices: Iterable[int]) -> "LabelBook":
        """Take the names of some classes out of an open book; their places stay, under new names.

        A closed book stays as it is: its names were told when the model was made, not learnt.
        """
        if not self.is_open:
            return self
        names = list(self.names)
        for index in sorted(indices):
            if isinstance(names[index], str):
                numbers = (f"forgotten {k}" for k in itertools.count(1))
                names[index] = next(name for name in numbers if name not in names)
            else:
                names[index] = min(-1, *(int(name) for name in names)) - 1  # -1 may mean no label
        return LabelBook(tuple(names), is_open=True)

    def names_of(self, indices: np.ndarray) -> np.ndarray:
        """Convert class indices `[N]` to names `[N]`."""
        return np.array(self.names)[indices]

    def weights(self, by_name: Mapping[Any, float], *, later: bool = False) -> list[float]:
        """The weight of each class, 1 where none is given.

        Args:
            by_name: Weights by name.
            later: Whether names may be among them that later tasks bring.

        Raises:
            ValueError: For a name that there is not.
        """
        for name in by_name:
            if name not in self.names and not (later and self.is_open):
                raise ValueError(f"class_weight: expected classes {self}, received {name!r}")
        return [float(by_name.get(name, 1.0)) for name in self.names]

    def _of_one_kind(self, given: np.ndarray, where: str) -> np.ndarray:
        kind = _kind(np.array(self.names))
        if self.names and kind != _kind(given):
            refuse_where(
                np.full(len(given), True),
                given,
                where,
                f"expected labels that are {kind}, as the names of the classes are",
            )
        return given

    def __str__(self) -> str:
        listed = ", ".join(repr(name) for name in self.names[:MOST_LISTED])
        more = f" and {len(self.names) - MOST_LISTED} more" if len(self.names) > MOST_LISTED else ""
        if not self.is_open:
            return f"among {listed}{more}"
        return f"of classes learnt so far, {listed or 'of which there are none'}{more}"


def check_one_kind(y: Any, where: str) -> None:
    """Refuse a list of strings and others; NumPy would make strings of all of them.

    Args:
        y: Labels.
        where: Where they come from, for the error.

    Raises:
        ValueError: If some of them are strings and some are not.
    """
    if not isinstance(y, list | tuple):
        return
    text = [isinstance(label, str | bytes) for label in y]
    if any(text) and not all(text):
        received = f"{y[text.index(True)]!r} and {y[text.index(False)]!r}"
        raise ValueError(
            f"{where}: expected labels that are all strings or all integers, received {received}"
        )


def _names_in(y: ArrayLike, where: str) -> np.ndarray:
    """Labels as an array `[N]` of strings or of integers.

    Raises:
        ValueError: If they are neither, or of another shape.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"{where}: expected labels [N] or [N, 1], received {y.shape}")
    if y.dtype.kind == "O":
        check_one_kind(y.tolist(), where)
        y = np.asarray(y.tolist())
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8")
    if y.dtype.kind in "UT":
        return y.astype(str)
    whole = np.full(len(y), y.dtype.kind in "iub")
    if y.dtype.kind == "f":
        whole = np.isfinite(y) & (y == np.floor(y))
    refuse_where(~whole, y, where, "expected labels that are strings or integers")
    return y.astype(np.int64)


def _kind(names: np.ndarray) -> str:
    return "strings" if names.dtype.kind == "U" else "integers"
