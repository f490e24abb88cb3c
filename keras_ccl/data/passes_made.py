"""Passes over a `tf.data.Dataset`: how many were made, and those made up that a new process lacks.

`shuffle` draws another order each time that a pass begins, for all datasets derived from it. What a
dataset is made of can be seen only in attributes of TensorFlow's that are not public.
"""

import weakref
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

PYTHON = {"PyFunc", "EagerPyFunc", "GeneratorDataset"}

_MADE: weakref.WeakKeyDictionary[tf.data.Dataset, int] = weakref.WeakKeyDictionary()


def passes_made(dataset: tf.data.Dataset) -> int:
    """How many passes over a dataset were noted in this process."""
    return _MADE.get(dataset, 0)


def note_passes(dataset: tf.data.Dataset, number: int) -> None:
    """Count passes that were made, or are about to be."""
    _MADE[dataset] = passes_made(dataset) + number


def make_passes(dataset: tf.data.Dataset, number: int) -> None:
    """Make passes whose rows nobody needs, where later ones depend on them.

    A pass over a plain pipeline is only begun, which is when its order is drawn. One over a
    generator of the user's, or over a dataset that repeats another, is read to its end, if it has
    one.

    Args:
        dataset: The dataset.
        number: Of passes.
    """
    parts = list(_parts(dataset))
    reads = any("Repeat" in type(part).__name__ for part in parts) or any(
        operation.type in PYTHON for operation in _operations(dataset)
    )
    if not (reads or shuffles_anew(dataset)):
        return
    for _ in range(number):
        one = iter(dataset)
        for _ in one if reads and dataset.cardinality() != tf.data.INFINITE_CARDINALITY else ():
            pass


def begun_when_read(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A dataset that draws an order for each pass that is read: Keras makes iterators besides."""
    if not shuffles_anew(dataset):
        return dataset
    begun = tf.data.Dataset.from_tensors(0).flat_map(lambda _: dataset)
    begun = begun.with_options(dataset.options())
    if (length := dataset.cardinality()) == tf.data.UNKNOWN_CARDINALITY:
        return begun
    return begun.apply(tf.data.experimental.assert_cardinality(length))


def shuffles_anew(dataset: tf.data.Dataset) -> bool:
    """Whether the rows come in another order in each pass."""
    return any(getattr(part, "_reshuffle_each_iteration", False) for part in _parts(dataset))


def has_no_seed(dataset: tf.data.Dataset) -> bool:
    """Whether the order or the values of the rows are drawn anew in each process."""
    shuffled = (p for p in _parts(dataset) if hasattr(p, "_reshuffle_each_iteration"))
    if any(int(p._seed) == int(p._seed2) == 0 for p in shuffled):
        return True
    drawn = (o for o in _operations(dataset) if "seed2" in o.node_def.attr)
    return any(o.get_attr("seed") == o.get_attr("seed2") == 0 for o in drawn)


def _parts(dataset: tf.data.Dataset) -> Iterator[Any]:
    """A dataset and all that it is derived from."""
    yield dataset
    for part in dataset._inputs():
        yield from _parts(part)


def _operations(dataset: tf.data.Dataset) -> Iterator[tf.Operation]:
    """The operations of the functions that a dataset applies."""
    for part in _parts(dataset):
        for function in part._functions():
            yield from function.function.graph.get_operations()
