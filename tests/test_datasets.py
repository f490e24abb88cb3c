"""Datasets: what is embedded, what TFDS gives, and that neither stands in for the other."""

import sys
from pathlib import Path

import numpy as np
import pytest

from keras_ccl.data import datasets

SIZES = {"mnist": (10_000, 2_000), "fashion_mnist": (6_000, 1_000)}


@pytest.mark.parametrize("name", SIZES)
def test_the_subset_is_balanced_real_and_scaled(name):
    data = datasets.load(name)
    for (x, y), rows in zip((data.train, data.test), SIZES[name], strict=True):
        assert x.shape == (rows, 28, 28, 1) and x.dtype == np.float32
        assert x.min() == 0 and x.max() == 1
        assert y.dtype == np.int32
        np.testing.assert_array_equal(np.bincount(y), np.full(10, rows // 10))
    assert len(data.class_names) == 10


@pytest.mark.parametrize("name", SIZES)
def test_no_row_of_the_subset_is_in_both_splits(name):
    data = datasets.load(name)
    train, test = ({row.tobytes() for row in x} for x, _ in (data.train, data.test))
    assert not train & test


def test_images_as_they_are_stored_are_bytes():
    bytes_, scaled = datasets.load("mnist", scaled=False), datasets.load("mnist")
    for (x, y), (floats, labels) in zip(
        (bytes_.train, bytes_.test), (scaled.train, scaled.test), strict=True
    ):
        assert x.dtype == np.uint8 and x.shape == floats.shape
        np.testing.assert_array_equal(x / np.float32(255), floats)
        np.testing.assert_array_equal(y, labels)


@pytest.mark.full_data
def test_cifar100_has_the_known_images_and_fine_labels(data_dir):
    data = datasets.load("cifar100", data_dir=data_dir, scaled=False)
    for (x, y), rows in ((data.train, 50_000), (data.test, 10_000)):
        assert x.shape == (rows, 32, 32, 3) and x.dtype == np.uint8
        np.testing.assert_array_equal(np.bincount(y), np.full(100, rows // 100))
    mean = data.train[0].mean((0, 1, 2), dtype=np.float64) / 255
    np.testing.assert_allclose(mean, [0.50708, 0.48655, 0.44092], atol=1e-5)  # the published ones
    stored = Path(data_dir) / "cifar100" / "3.0.2" / "label.labels.txt"
    assert tuple(stored.read_text().split()) == data.class_names


@pytest.mark.full_data
@pytest.mark.parametrize("name", SIZES)
def test_the_subset_is_rows_of_the_genuine_set(name, data_dir):
    subset, whole = datasets.load(name), datasets.load(name, source="tfds", data_dir=data_dir)
    assert len(whole.train[0]) == 60_000 and len(whole.test[0]) == 10_000
    for part, full in ((subset.train, whole.train), (subset.test, whole.test)):
        known = {row.tobytes(): label for row, label in zip(*full, strict=True)}
        assert [known[row.tobytes()] for row in part[0]] == part[1].tolist()


def test_a_missing_dataset_names_both_ways(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(FileNotFoundError, match="data_dir=.*download=True.*embedded") as caught:
        datasets.load("mnist", source="tfds", data_dir=tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_has_tfds_alone_and_says_where_it_was_looked_for(name, tmp_path):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(FileNotFoundError, match="3.0.2 is not in .*download=True$") as caught:
        datasets.load(name, data_dir=tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_tfds_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r'pip install "keras-ccl\[datasets\]"'):
        datasets.load("mnist", source="tfds")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"name": "cifar"},
            "name: expected one of 'mnist', .*, 'cifar100'; received 'cifar'",
        ),
        (
            {"name": "mnist", "source": "web"},
            "source of 'mnist': expected one of 'embedded', 'tfds'; received 'web'",
        ),
        (
            {"name": "cifar100", "source": "embedded"},
            "source of 'cifar100': expected one of 'tfds'; received 'embedded'",
        ),
        ({"name": "mnist", "download": True}, "for source=.tfds.; received None and True for the"),
        ({"name": "mnist", "data_dir": "data"}, "received 'data' and False for the embedded"),
    ],
)
def test_options_that_do_not_fit_are_refused_with_the_choices(options, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(**options)


def test_one_entry_adds_a_dataset_with_its_checks(tmp_path, monkeypatch):
    entry = datasets.Entry(("a", "b"), "1.0.0", sources=("embedded",), image_shape=(2, 3, 3))
    x, y = np.arange(72, dtype=np.uint8).reshape(4, 2, 3, 3), np.array([0, 1, 1, 0], np.uint8)
    np.savez(tmp_path / "shapes.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    monkeypatch.setitem(datasets.DATASETS, "shapes", entry)
    monkeypatch.setattr(datasets.resources, "files", lambda package: tmp_path)
    data = datasets.load("shapes")
    np.testing.assert_array_equal(data.train[0], x / np.float32(255))
    assert data.test[1].tolist() == [0] and data.class_names == ("a", "b")
    with pytest.raises(ValueError, match="expected one of 'embedded'; received 'tfds'"):
        datasets.load("shapes", source="tfds")
    np.savez(tmp_path / "shapes.npz", x_train=x[..., 0], y_train=y, x_test=x[:1], y_test=y[:1])
    with pytest.raises(ValueError, match=r"embedded subset of shapes, uint8 x \[N, 2, 3, 3\]"):
        datasets.load("shapes")


def _pickled(path):
    arrays = {f"{key}_{s}": np.array([{}], object) for key in "xy" for s in ("train", "test")}
    np.savez(path, **arrays)


def _of_another_shape(path):
    arrays = {f"{key}_{s}": np.zeros(3, np.uint8) for key in "xy" for s in ("train", "test")}
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"no archive"),
        lambda path: path.write_bytes(b""),
        lambda path: np.savez(path, x_train=np.zeros(3, np.uint8)),
        _pickled,
        _of_another_shape,
    ],
)
def test_a_damaged_subset_is_one_clear_error_and_nothing_is_unpickled(write, tmp_path, monkeypatch):
    write(tmp_path / "mnist.npz")
    monkeypatch.setattr(datasets.resources, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match="expected the embedded subset of mnist"):
        datasets.load("mnist")
