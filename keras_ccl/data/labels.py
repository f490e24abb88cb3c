"""LabelBook: the names of the classes in the order of their indices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_ccl.data.class_indices import refuse_where
from keras_ccl.data.missing_labels import UNLABELLED, is_none, mark_of, without_none

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
        found = _names_in(np.asarray(given), "class_names")[0].tolist()
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
            y: Names, `[N]` or `[N, 1]`; None marks a row without a label, and so does -1 or an
                empty string that is no name.
            where: Where the labels come from, for errors.

        Returns:
            The indices, `[N]` int32; -1 for a row without a label.

        Raises:
            ValueError: If one is not among the names.
        """
        given, missing = self._read(y, where)
        each, place = np.unique(given, return_inverse=True)
        known = {name: index for index, name in enumerate(self.names)}
        found = np.array([known.get(name, -1) for name in each.tolist()], np.int32)[place]
        refuse_where((found < 0) & ~missing, given, where, f"expected labels {self}")
        return np.where(missing, np.int32(UNLABELLED), found)

    def extended(self, y: ArrayLike, where: str) -> "LabelBook":
        """Add the names among labels; a closed book stays as it is.

        Args:
            y: As in `indices`.
            where: Where the labels come from, for errors.

        Raises:
            ValueError: If they are neither strings nor integers, or not what the names are.
        """
        given, missing = self._read(y, where)
        return self.plus(np.unique(given[~missing]).tolist())

    def plus(self, names: Iterable[Name]) -> "LabelBook":
        """Add names, sorted, so that the order in which they came does not matter."""
        if not self.is_open:
            return self
        return LabelBook((*self.names, *sorted({*names} - {*self.names})), is_open=True)

    def names_of(self, indices: np.ndarray) -> np.ndarray:
        """Convert class indices `[N]` to names `[N]`, -1 to what marks a row without a label."""
        names = np.array(self.names) if self.names else np.array([], int)
        return np.append(names, mark_of(names))[indices]

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

    def _read(self, y: ArrayLike, where: str) -> tuple[np.ndarray, np.ndarray]:
        """Labels `[N]`, and whether each is missing, `[N]`; checked to be of the kind of names."""
        given, missing = _names_in(y, where)
        if mark_of(given) not in self.names:
            missing = missing | (given == mark_of(given))
        kind = _kind(np.array(self.names))
        if self.names and kind != _kind(given):
            expected = f"expected labels that are {kind}, as the names of the classes are"
            refuse_where(~missing, given, where, expected)
        return given, missing

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
    given = [label for label in y if not is_none(label)]
    text = [isinstance(label, str | bytes) for label in given]
    if any(text) and not all(text):
        other = given[text.index(False)]
        hint = "; None marks a row without a label" if other == UNLABELLED else ""
        raise ValueError(
            f"{where}: expected labels that are all strings or all integers, received "
            f"{given[text.index(True)]!r} and {other!r}{hint}"
        )


def _names_in(y: ArrayLike, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels as an array `[N]` of strings or of integers, and whether each was None, `[N]`.

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
    y, missing = without_none(y)
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8"), missing
    if y.dtype.kind in "UT":
        return y.astype(str), missing
    whole = np.full(len(y), y.dtype.kind in "iub")
    if y.dtype.kind == "f":
        whole = np.isfinite(y) & (y == np.floor(y))
    refuse_where(~whole, y, where, "expected labels that are strings or integers")
    return y.astype(np.int64), missing


def _kind(names: np.ndarray) -> str:
    return "strings" if names.dtype.kind == "U" else "integers"
