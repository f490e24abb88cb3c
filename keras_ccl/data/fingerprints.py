"""Fingerprints of data: whether a run that goes on has the rows that it began with."""

import hashlib
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.dataset_split import DatasetSplit
from keras_ccl.data.transformations import Transformed

CHUNK_BYTES = 2**24


class Fingerprints:
    """Fingerprints of splits; an array that several of them share is read once.

    Arrays are hashed whole, at about a second per GB. Of a `tf.data.Dataset` nothing is read: its
    fingerprint is the types and shapes of its elements, and their number. A function is not called.
    """

    def __init__(self) -> None:
        self._of_arrays: dict[tuple[Any, ...], tuple[np.ndarray, str]] = {}

    def of(self, split: Any) -> Any:
        """The fingerprint of a split, as JSON can hold it.

        Args:
            split: an `ArraySplit`, a `DatasetSplit`, a `Transformed`, another function, or None.
        """
        if isinstance(split, ArraySplit):
            return {**self._of_rows(split.x, split.y, split.weight), **_names_of(split)}
        if isinstance(split, DatasetSplit):
            elements, number = split.dataset.element_spec, split.dataset.cardinality()
            told = f"dataset of {int(number)} {tf.nest.map_structure(_in_words, elements)}"
            return {"dataset": told, **names} if (names := _names_of(split)) else told
        if isinstance(split, Transformed):
            how, *then = map(_how, split.transforms)
            rest = {"then": then} if then else {}
            return {**self._of_rows(*split.rows), "transform": how, **rest}
        return None if split is None else "made when its task is reached"

    def _of_rows(self, x: Any, y: Any, weight: Any = None) -> dict[str, str]:
        parts = {"x": x, "y": y, "sample_weight": weight}
        return {k: self._of_array(np.asarray(p)) for k, p in parts.items() if p is not None}

    def _of_array(self, array: np.ndarray) -> str:
        if array.dtype.kind == "O":  # such as names in a data frame
            array = array.astype(str)
        place = array.__array_interface__
        key = (place["data"], place["strides"], array.shape, array.dtype.str)
        if key not in self._of_arrays:
            told = f"{array.dtype} {array.shape} {_hash(array)}"
            self._of_arrays[key] = array, told  # the array, so that its place is not used again
        return self._of_arrays[key][1]


def _how(transform: Any) -> dict[str, Any]:
    settings = {k: np.asarray(value).tolist() for k, value in vars(transform).items()}
    return {"class": type(transform).__name__, **settings}


def _names_of(split: ArraySplit | DatasetSplit) -> dict[str, list]:
    """The names that the class indices of a split stand for; nothing where labels are numbers."""
    return {} if split.spec.labels is None else {"classes": list(split.spec.labels.names)}


def _hash(array: np.ndarray) -> str:
    """A hash of the values in order, a few rows at a time: a view need not be copied whole."""
    found = hashlib.blake2b(digest_size=16)
    rows = max(1, CHUNK_BYTES * len(array) // max(array.nbytes, 1))
    for i in range(0, len(array), rows):
        found.update(array[i : i + rows].tobytes())
    return found.hexdigest()


def _in_words(spec: tf.TensorSpec) -> str:
    return f"{spec.dtype.name} {spec.shape}"
