"""Datasets by name: in full through TensorFlow Datasets, or a subset embedded in the package.

Each dataset has its sources; none is ever used in place of another. To add a dataset, add an
entry to `DATASETS`: `load`, its checks and its errors, and `CLASS_NAMES` all follow from it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from keras_ccl.data.class_names import CIFAR10, CIFAR100, FASHION_MNIST, MNIST
from keras_ccl.data.untrusted_files import as_value_error, read_npz
from keras_ccl.data.validation import check_choice

__all__ = [
    "CLASS_NAMES",
    "DATASETS",
    "Dataset",
    "Entry",
    "load",
]


class Entry(NamedTuple):
    """What `load` needs to know about a dataset of images.

    Attributes:
        class_names: The name of each class.
        tfds_version: The version in TensorFlow Datasets. It is fixed because another version could
            hold other images under the same name.
        sources: Where the dataset can be loaded from, keys of `SOURCES`; the first is the default.
            `"embedded"` needs the file `data/embedded/<name>.npz`; its licence belongs in
            data/embedded/LICENSES.md.
        image_shape: (height, width, channels).
    """

    class_names: tuple[str, ...]
    tfds_version: str
    sources: tuple[str, ...] = ("embedded", "tfds")
    image_shape: tuple[int, int, int] = (28, 28, 1)


DATASETS = {
    "mnist": Entry(MNIST, "3.0.1"),
    "fashion_mnist": Entry(FASHION_MNIST, "3.0.1"),
    "cifar10": Entry(CIFAR10, "3.0.2", ("tfds",), (32, 32, 3)),
    "cifar100": Entry(CIFAR100, "3.0.2", ("tfds",), (32, 32, 3)),
}
"""The datasets that `load` knows, by name."""

CLASS_NAMES = {name: entry.class_names for name, entry in DATASETS.items()}
"""The names of the classes of each dataset, in the order of its labels."""


@dataclass(frozen=True)
class Dataset:
    """Images to learn from and images to test on.

    Attributes:
        name: The name of the dataset.
        train: The inputs `[N, height, width, channels]`, float32 in [0, 1] or, where they were not
            scaled, uint8; and labels, int32 `[N]`, to learn from.
        test: The same to test on.
        class_names: The name of each class.
    """

    name: str
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    class_names: tuple[str, ...]


def load(
    name: str,
    *,
    source: str | None = None,
    data_dir: str | os.PathLike | None = None,
    download: bool = False,
    scaled: bool = True,
) -> Dataset:
    """Load a dataset.

    Args:
        name: A key of `DATASETS`: `"mnist"`, `"fashion_mnist"`, `"cifar10"` or `"cifar100"`, the
            last with its 100 fine labels.
        source: `"embedded"` is the class-balanced subset in the package (MNIST: 10,000 train and
            2,000 test images; Fashion-MNIST: 6,000 and 1,000). `"tfds"` is the full dataset,
            through TensorFlow Datasets. None: the subset; `"tfds"` where none is embedded, as for
            CIFAR.
        data_dir: The folder of TensorFlow Datasets; by default the one that it uses itself.
        download: Whether TensorFlow Datasets may download a dataset that is not in the folder. The
            network is used only then.
        scaled: Whether pixels are divided by 255. Otherwise images are the bytes that they are
            stored as, in a quarter of the memory: models take them too, and a network that was
            trained on photographs expects 0 to 255.

    Returns:
        The dataset.

    Raises:
        ValueError: If the name is unknown, the dataset has no such source, `data_dir` or `download`
            is given for the embedded subset, or that is damaged.
        FileNotFoundError: If the folder does not hold the dataset and `download` is False.
        ImportError: If TensorFlow Datasets is not installed.
    """
    check_choice("name", name, tuple(DATASETS))
    entry = DATASETS[name]
    source = entry.sources[0] if source is None else source
    check_choice(f"source of {name!r}", source, entry.sources)
    if source == "embedded" and (data_dir is not None or download):
        raise ValueError(
            f'data_dir and download are for source="tfds"; received {data_dir!r} and {download!r} '
            f"for the embedded subset of {name}"
        )
    splits = SOURCES[source](name, entry, data_dir, download)
    as_pixels = _scale if scaled else np.asarray
    train, test = (
        (as_pixels(x.reshape(-1, *entry.image_shape)), y.astype(np.int32)) for x, y in splits
    )
    return Dataset(name, train, test, entry.class_names)


Splits = list[tuple[np.ndarray, np.ndarray]]
"""The train and the test split: uint8 images `[N, height, width(, channels)]`, and labels `[N]`."""


def _read_embedded(
    name: str, entry: Entry, data_dir: str | os.PathLike | None, download: bool
) -> Splits:
    path = resources.files("keras_ccl.data.embedded") / f"{name}.npz"
    return read_subset(name, path, entry.image_shape)


def read_subset(name: str, path: Any, image_shape: tuple[int, int, int]) -> Splits:
    """Read an embedded subset.

    Args:
        name: The name of the dataset, for errors.
        path: The .npz file, a path or a package resource. Its arrays are `x_train`, `y_train`,
            `x_test` and `y_test`; grey images have no channel axis.
        image_shape: (height, width, channels).

    Returns:
        The train and the test split.

    Raises:
        ValueError: If the file is damaged or holds other arrays.
    """
    height, width, channels = image_shape
    stored = (height, width) if channels == 1 else image_shape
    expected = f"uint8 x [N, {', '.join(map(str, stored))}] and y [N]"
    with as_value_error(path, f"the embedded subset of {name}, {expected}"):
        arrays = read_npz(path.read_bytes())
        splits = [(arrays[f"x_{s}"], arrays[f"y_{s}"]) for s in ("train", "test")]
        for x, y in splits:
            if not (x.dtype == y.dtype == np.uint8 and x.shape == (len(y), *stored)):
                raise ValueError(f"{x.dtype} {x.shape} and {y.dtype} {y.shape}")
    return splits


def _read_tfds(
    name: str, entry: Entry, data_dir: str | os.PathLike | None, download: bool
) -> Splits:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            'tensorflow-datasets is missing: pip install "keras-ccl[datasets]"'
        ) from error
    subset = '; or take the subset, source="embedded"' if "embedded" in entry.sources else ""
    missing = (
        f"{name} {entry.tfds_version} is not in the TFDS folder {data_dir or 'of the user'}: pass "
        f"data_dir= of a folder that holds it or download=True{subset}"
    )
    try:
        builder = tfds.builder(f"{name}:{entry.tfds_version}", data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        raise FileNotFoundError(missing) from error
    if download:
        builder.download_and_prepare()
    elif not builder.is_prepared():
        raise FileNotFoundError(missing)
    batches = (builder.as_dataset(split=s, batch_size=-1) for s in ("train", "test"))
    return [(rows["image"].numpy(), rows["label"].numpy()) for rows in batches]


SOURCES: dict[str, Callable[[str, Entry, str | os.PathLike | None, bool], Splits]] = {
    "embedded": _read_embedded,
    "tfds": _read_tfds,
}


def _scale(x: np.ndarray) -> np.ndarray:
    """Scale pixels from 0..255 to [0, 1], float32."""
    return (x / np.float32(255)).astype(np.float32, copy=False)
