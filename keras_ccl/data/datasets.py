"""MNIST and Fashion-MNIST: all of them through TensorFlow Datasets, or a subset in the package.

Which one is used is the caller's word; there is no fallback from one to the other.
"""

from dataclasses import dataclass
from importlib import resources

import numpy as np

from keras_ccl.data.untrusted_files import as_value_error, read_npz
from keras_ccl.data.validation import check_choice

CLASS_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}
SOURCES = ("embedded", "tfds")
VERSION = "3.0.1"  # of both sets; another version could hold other rows under the same name


@dataclass(frozen=True)
class Dataset:
    """Rows to learn from and rows to measure on.

    Attributes:
        name: `"mnist"` or `"fashion_mnist"`.
        train, test: tuples of x, float32 [N, 28, 28, 1] in [0, 1], and y, int32 [N].
        class_names: what the labels mean.
    """

    name: str
    train: tuple
    test: tuple
    class_names: tuple


def load(name, *, source="embedded", data_dir=None, download=False):
    """Load a dataset.

    Args:
        name: `"mnist"` or `"fashion_mnist"`.
        source: `"embedded"`: the class-balanced subset in the package (MNIST 10,000 + 2,000 rows,
            Fashion-MNIST 6,000 + 1,000); `"tfds"`: all rows, through TensorFlow Datasets.
        data_dir: the TFDS folder, TFDS's own default if None.
        download: whether TFDS may fetch what is not there. Only then is the network touched.

    Returns:
        `Dataset`.

    Raises:
        ValueError: for an unknown name or source, or a damaged subset.
        FileNotFoundError: if the TFDS folder does not hold the dataset and may not fetch it.
        ImportError: if TensorFlow Datasets is not installed.
    """
    check_choice("name", name, tuple(CLASS_NAMES))
    check_choice("source", source, SOURCES)
    if source == "embedded":
        splits = _read_subset(name, resources.files("keras_ccl.data.embedded") / f"{name}.npz")
    else:
        splits = _read_tfds(name, data_dir, download)
    train, test = ((_scaled(x), y.astype(np.int32)) for x, y in splits)
    return Dataset(name, train, test, CLASS_NAMES[name])


def _read_subset(name, path):
    with as_value_error(path, f"the embedded subset of {name}, uint8 x [N, 28, 28] and y [N]"):
        arrays = read_npz(path.read_bytes())
        splits = [(arrays[f"x_{s}"], arrays[f"y_{s}"]) for s in ("train", "test")]
        for x, y in splits:
            if not (x.dtype == y.dtype == np.uint8 and x.shape == (len(y), 28, 28)):
                raise ValueError(f"{x.dtype} {x.shape} and {y.dtype} {y.shape}")
    return splits


def _read_tfds(name, data_dir, download):
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            'tensorflow-datasets is missing: pip install "keras-ccl[datasets]"'
        ) from error
    missing = (
        f"{name} {VERSION} is not in the TFDS folder {data_dir or 'of the user'}: pass data_dir= "
        'of a folder that holds it or download=True; or take the subset, source="embedded"'
    )
    try:
        builder = tfds.builder(f"{name}:{VERSION}", data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        raise FileNotFoundError(missing) from error
    if download:
        builder.download_and_prepare()
    elif not builder.is_prepared():
        raise FileNotFoundError(missing)
    batches = (builder.as_dataset(split=s, batch_size=-1) for s in ("train", "test"))
    return [(rows["image"].numpy(), rows["label"].numpy()) for rows in batches]


def _scaled(x):
    return (x.reshape(-1, 28, 28, 1) / np.float32(255)).astype(np.float32)
