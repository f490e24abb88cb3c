"""IncomingRows: blocks of rows that come once, in order, whatever form the user's data has."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_ccl.data.array_split import ArraySplit
from keras_ccl.data.entry_check import is_batched, message_of
from keras_ccl.data.sources import FORMS, Element, Passes, is_tuple_of_rows, opened
from keras_ccl.data.splits import as_split
from keras_ccl.data.validation import DataSpec

WHERE = "stream"


class IncomingRows:
    """Rows as they come: each is read once, in the order of the data.

    Args:
        data: rows in one of `FORMS`, or an iterator over (x, y) or (x, y, sample_weight).
        spec: what the model expects of rows. Arrays are checked whole; of anything else the first
            element is, and every block when it comes.

    Raises:
        TypeError, ValueError: for data that do not fit, with what was expected and what came.
    """

    def __init__(self, data: Any, spec: DataSpec) -> None:
        data = opened(_once(data) if isinstance(data, Iterator) else data, spec, WHERE)
        self._arrays: tuple[np.ndarray, ...] | None = None
        if isinstance(data, tf.data.Dataset):
            batched = is_batched(data.element_spec, spec, WHERE)
            self._batches = data if batched else data.batch(256)
        elif is_tuple_of_rows(data):
            as_split(data, spec, WHERE, batch_size=1, learns=True)
            self._arrays = tuple(np.asarray(part) for part in data)
        else:
            raise TypeError(f"{WHERE}: expected {FORMS}; received {type(data)}")

    def blocks(self, rows: int) -> Iterator[Element]:
        """The rows, so many at a time; the last block may be smaller.

        Args:
            rows: of a block.

        Yields:
            Arrays as the user gave them.

        Raises:
            RuntimeError: for data that fail when they are read, with the row.
        """
        if self._arrays is not None:
            for start in range(0, len(self._arrays[0]), rows):
                yield tuple(part[start : start + rows] for part in self._arrays)
            return
        waiting: list[Element] = []
        for batch in self._read():
            waiting.append(batch)
            while (held := sum(len(part[0]) for part in waiting)) >= rows:
                whole = tuple(np.concatenate(parts) for parts in zip(*waiting, strict=True))
                yield tuple(part[:rows] for part in whole)
                waiting = [tuple(part[rows:] for part in whole)] if held > rows else []
        if waiting:
            yield tuple(np.concatenate(parts) for parts in zip(*waiting, strict=True))

    def _read(self) -> Iterator[Element]:
        read = 0
        try:
            for batch in self._batches.as_numpy_iterator():
                yield batch
                read += len(batch[0])
        except tf.errors.OpError as error:
            raise RuntimeError(
                f"{WHERE}, after row {read}: the data failed: {message_of(error)}. The model is "
                "that of the rows before"
            ) from error


def checked_block(start: int, block: Element, spec: DataSpec) -> ArraySplit:
    """A block of rows as a split; classes may be new where the model takes such.

    Args:
        start: the number of rows before it.
        block: its arrays.
        spec: what the model expects of rows.

    Raises:
        ValueError: for rows that do not fit, naming the block.
    """
    where = f"{WHERE}, rows {start + 1} to {start + len(block[0])}"
    split = as_split(block, spec, where, batch_size=1, learns=True)
    assert isinstance(split, ArraySplit)
    return split


def _once(rows: Iterator[Any]) -> Passes:
    """What an iterator gives, which can be read once."""
    first = next(rows, None)
    return Passes(lambda: itertools.chain([first], rows), first=first)
