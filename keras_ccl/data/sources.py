"""Sources: the forms that rows come in, and how those that are code of the user's are read."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_ccl.data.missing_labels import as_elements, is_none
from keras_ccl.data.validation import DataSpec

FORMS = (
    "a tuple (x, y) or (x, y, sample_weight), a tf.data.Dataset or keras.utils.PyDataset of them, "
    "or a function that returns one of these or a generator"
)

Element = tuple[np.ndarray, ...]
"""(x, y) or (x, y, sample_weight), a row or a batch."""


def is_source(value: Any) -> bool:
    """Whether a value has one of the forms of rows; what it holds is checked later."""
    kinds = (tf.data.Dataset, keras.utils.PyDataset, Iterator)
    return isinstance(value, kinds) or callable(value) or is_tuple_of_rows(value)


def is_tuple_of_rows(value: Any) -> bool:
    """Whether a value is (x, y) or (x, y, sample_weight) of what NumPy makes arrays of."""
    return (
        isinstance(value, tuple | list)
        and len(value) in (2, 3)
        and all(isinstance(part, list | tuple) or hasattr(part, "__array__") for part in value)
    )


def resolve(data: Any) -> Any:
    """What a split holds when its task is reached: a split given as a function is called.

    A generator becomes `Passes`, which calls the function again each time.
    """
    if isinstance(data, tf.data.Dataset) or not callable(data):
        return data
    made = data()
    return Passes(data, first=next(made, None)) if isinstance(made, Iterator) else made


def opened(data: Any, spec: DataSpec, where: str) -> Any:
    """What a split holds when its task is reached, a `tf.data.Dataset` where code yields its rows.

    Args:
        data: Rows in one of `FORMS`, `Passes`, or anything else, which stays as it is.
        spec: What the model expects of rows.
        where: Where the rows come from, for errors.

    Raises:
        ValueError: As in `Passes.as_dataset`.
    """
    data = resolve(data)
    if isinstance(data, keras.utils.PyDataset):
        data = Passes.of_py_dataset(data)
    return data.as_dataset(spec, where) if isinstance(data, Passes) else data


class Passes:
    """Rows that Python code yields anew for each pass.

    Args:
        read: A function that returns an iterator over `Element`s, rows or batches.
        first: The first of them; None if there is none.
        endless: Whether a pass is known to have no end.
    """

    def __init__(
        self, read: Callable[[], Iterator[Any]], *, first: Any, endless: bool = False
    ) -> None:
        self.read, self.first, self.endless = read, first, endless

    @classmethod
    def of_py_dataset(cls, dataset: keras.utils.PyDataset) -> "Passes":
        """The batches of a `PyDataset` in order, made by as many threads as it has workers.

        Threads, too, where it asks for processes.
        """
        number = dataset.num_batches

        def read() -> Iterator[Any]:
            dataset.on_epoch_begin()
            ahead: deque[Future] = deque()
            with ThreadPoolExecutor(max(1, dataset.workers)) as threads:
                for index in itertools.count() if number is None else range(number):
                    ahead.append(threads.submit(dataset.__getitem__, index))
                    if len(ahead) > dataset.max_queue_size:
                        yield ahead.popleft().result()
                yield from (batch.result() for batch in ahead)
            dataset.on_epoch_end()

        return cls(read, first=None if number == 0 else dataset[0], endless=number is None)

    def as_dataset(self, spec: DataSpec, where: str) -> tf.data.Dataset:
        """A `tf.data.Dataset` of what is yielded.

        Args:
            spec: What the model expects of rows.
            where: Where the rows come from, for errors.

        Raises:
            ValueError: If nothing is yielded, or something other than an `Element`.
        """
        if self.first is None:
            raise ValueError(f"{where}: expected at least one row, received an empty dataset")
        if not (isinstance(self.first, tuple | list) and len(self.first) in (2, 3)):
            raise ValueError(
                f"{where}: expected a generator of (x, y) or (x, y, sample_weight), received one "
                f"of {type(self.first).__name__}"
            )
        text = self._has_text(spec)
        kinds = _parts(self.first, text)
        batched = kinds[0].ndim == len(spec.input_shape) + 1
        signature = tuple(
            tf.TensorSpec((None, *kind.shape[1:]) if batched else kind.shape, _dtype_of(kind))
            for kind in kinds
        )

        def elements() -> Iterator[Element]:
            for element in self.read():
                yield _like_the_first(element, kinds, text)

        dataset = tf.data.Dataset.from_generator(elements, output_signature=signature)
        if self.endless:
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            return dataset.apply(endless)
        return dataset

    def _has_text(self, spec: DataSpec) -> bool:
        """Whether labels are strings: told by the first that is one, or by the names of classes."""
        if spec.labels is None:
            return False
        if spec.labels.names:
            return isinstance(spec.labels.names[0], str)
        passes = (lambda: [self.first], self.read)  # the second where it is needed
        for element in itertools.chain.from_iterable(read() for read in passes):
            given = [y for y in np.asarray(element[1], object).flat if not is_none(y)]
            if given:
                return isinstance(given[0], str | bytes)
        return False


def _parts(element: Any, text: bool) -> Element:
    """The parts of an element as arrays; labels that are None as what marks them."""
    return tuple(
        as_elements(part, text=text) if k == 1 else np.asarray(part)
        for k, part in enumerate(element)
    )


def _dtype_of(kind: np.ndarray) -> Any:
    """The type of labels that are text, which NumPy may hold as objects, or of numbers."""
    text = kind.dtype.kind == "O" and all(isinstance(one, str | bytes) for one in kind.flat)
    return tf.string if text or kind.dtype.kind in "US" else kind.dtype


def _like_the_first(element: Any, kinds: Element, text: bool) -> Element:
    """Refuse an element that could not be converted to the types of the first without a loss."""
    parts = _parts(element, text)
    types, expected = [part.dtype for part in parts], [kind.dtype for kind in kinds]
    if len(types) != len(expected) or not all(map(_converts, types, expected)):
        raise ValueError(f"expected {expected} as in the first element, received {types}")
    return parts


def _converts(found: np.dtype, expected: np.dtype) -> bool:
    """Whether values have the kind that is expected; NumPy would make text of numbers."""
    if "O" in (found.kind, expected.kind) or "U" in (found.kind, expected.kind):
        return found.kind in "OSU" and expected.kind in "OSU"
    return np.can_cast(found, expected, "same_kind")
