"""A frozen backbone: the student learns its features, and everything outside takes images."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import run_here, same_weights, slow_but, weights_of
from interrupted import Signal
from PIL import Image

import keras_ccl as ccl
from keras_ccl.data import feature_split
from keras_ccl.methods.registry import HEADS, METHODS
from keras_ccl.models.memories import named_memory

SHAPE, FEATURES = (6, 6, 3), (8,)
OPTIONS = {"epochs": 2, "batch_size": 10, "verbose": 0}


def new_backbone(seed=0):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, strides=2),
            layers.BatchNormalization(),
            layers.Conv2D(2, 1, activation="tanh"),
            layers.Flatten(),
        ]
    )


def images(n=30, seed=0):
    """Bytes about a pattern per class."""
    patterns = np.random.default_rng(99).integers(0, 256, (3, *SHAPE))
    y = np.arange(n, dtype=np.int32) % 3
    noise = np.random.default_rng(seed).normal(0, 30, (n, *SHAPE))
    return np.clip(patterns[y] + noise, 0, 255).astype("uint8"), y


X, Y = images()
TASKS = [ccl.Task((X[rows], Y[rows]), test=(X[rows], Y[rows])) for rows in (Y < 2, Y == 2)]


def features_of(backbone, x=X):
    return backbone(tf.constant(x), training=False).numpy()


def new(backbone, **options):
    given = {"likelihood": None, "backbone": backbone, **options}
    return on_features(input_shape=SHAPE, **given)


def on_features(input_shape=FEATURES, **options):
    networks = ccl.networks
    return ccl.CCLGM(
        input_shape,
        3,
        latent_dim=2,
        encoder=networks.dense_encoder(FEATURES, 2, units=(8,), seed=0),
        decoder=networks.dense_decoder(FEATURES, 2, units=(8,), seed=0),
        classifier=networks.dense_classifier(3, 2, units=(), seed=0),
        seed=0,
        **options,
    )


def same_students(first, second):
    parts = ("encoder", "decoder", "classifier", "p_z", "observation", "feature_memory")
    of_parts = (weights_of(getattr(model, part)) for part in parts for model in (first, second))
    return all(same_weights(one, next(of_parts)) for one in of_parts)


@pytest.fixture(scope="module")
def taught():
    backbone = new_backbone()
    model = new(backbone)
    history = model.fit_tasks(TASKS, **OPTIONS)
    return model, history


def test_the_student_is_that_of_the_features(taught):
    """Learning images through a backbone is learning its features, bit for bit."""
    model, history = taught
    alone = on_features(memory="gaussians")
    stream = [
        ccl.Task((features_of(model.backbone, t.train[0]), t.train[1]), test=None) for t in TASKS
    ]
    alone.fit_tasks(stream, **OPTIONS)
    assert same_students(model, alone)
    expected = alone.predict(features_of(model.backbone), verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(model.elbo(X), alone.elbo(features_of(model.backbone)), rtol=1e-4)
    assert model.generate(3)[0].shape == model.reconstruct(X[:3]).shape == (3, *FEATURES)
    right = model.predict(X, verbose=0).argmax(1) == Y
    assert history.accuracy[-1][0] == pytest.approx(right[Y < 2].mean())


def test_behind_a_backbone_memory_and_replay_are_gaussians_of_its_features(taught):
    model, _ = taught
    counts = model.feature_memory.gaussians.counts.numpy()
    np.testing.assert_array_equal(counts, np.bincount(Y))
    assert (model.memory, model.memory_features) == ("gaussians", 60)
    assert (on_features().memory, on_features().memory_features) == ("fourier", 4900)


@pytest.mark.parametrize(("size", "memory"), [(2048, ("gaussians", 60)), (2049, ("relu", 3100))])
def test_features_too_many_for_a_covariance_have_a_ridge(size, memory):
    assert named_memory("auto", None, (size,), behind_backbone=True) == memory


def test_bytes_are_those_of_the_backbone_and_so_are_floats(taught):
    model, _ = taught
    as_bytes, as_floats = (model.predict(x, verbose=0) for x in (X, X.astype("float32")))
    np.testing.assert_array_equal(as_bytes, as_floats)


def test_the_backbone_never_changes():
    backbone = new_backbone()
    before = weights_of(backbone)
    model = new(backbone)
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(X, Y, epochs=1, verbose=0)
    model.train_on_batch(X, Y)
    assert same_weights(before, weights_of(backbone))
    assert not {id(v) for v in backbone.variables} & {id(v) for v in model.trainable_variables}


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but([*METHODS, *HEADS], [], ["ccl-gm", "ewc", "ridge"]))
def test_every_method_learns_through_it(name):
    backbone = new_backbone()
    options = {"backbone": backbone, "seed": 0}
    if name in HEADS:
        relu = {"features": "relu"} if "patches" in name else {}  # there are no patches of features
        model = HEADS[name](SHAPE, 3, feature_count=20, **options, **relu)
        model.fit_tasks(TASKS, epochs=1, verbose=0)
    else:
        model = METHODS[name](SHAPE, 3, **options)
        model.fit_tasks(TASKS, **OPTIONS)
    assert model.predict(X, verbose=0).shape == (len(X), 3)
    model.evaluate(X, Y, verbose=0)


@pytest.mark.slow
def test_each_row_passes_through_it_once_a_task(monkeypatch):
    """The epochs read features; only a measurement on test rows runs it again."""
    passed = []
    model = new(new_backbone())
    observe = model.observe_batch
    monkeypatch.setattr(type(model), "observe_batch", lambda self, x: _noted(passed, observe, x))
    tasks = [task.train for task in TASKS]
    model.fit_tasks(tasks, **{**OPTIONS, "epochs": 4})
    of_images = [len(x) for x in passed if x.shape[1:] == SHAPE]
    assert sum(of_images) == len(X)


def _noted(passed, observe, x):
    passed.append(x)
    return observe(x)


@pytest.mark.slow
def test_features_in_a_file_are_those_in_memory(taught, monkeypatch):
    monkeypatch.setattr(feature_split, "MOST_BYTES_IN_MEMORY", 0)
    model = new(new_backbone())
    datasets = [tf.data.Dataset.from_tensor_slices(task.train).batch(10) for task in TASKS]
    model.fit_tasks(datasets, epochs=2, verbose=0)  # in batches of their own
    assert same_students(model, taught[0])


@pytest.mark.slow
def test_it_is_saved_and_goes_on(taught, tmp_path):
    model, _ = taught
    model.save(tmp_path / "model.keras")
    again = ccl.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    again.fit_tasks([TASKS[0]], **OPTIONS)
    assert int(again.tasks_seen.numpy()) == 3


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_keeps_neither_images_nor_features(taught, tmp_path):
    stopped = new(new_backbone())
    with pytest.raises(KeyboardInterrupt):
        stopped.fit_tasks(TASKS, checkpoint_dir=tmp_path, callbacks=[Signal(3)], **OPTIONS)
    contents = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    for row in (*X, *X.astype("float32"), *features_of(stopped.backbone)):
        assert row.tobytes() not in contents
    kernel = stopped.backbone.layers[1].kernel.numpy()
    assert kernel.tobytes() not in contents  # it is frozen, and known by its hash
    with pytest.raises(ValueError, match="weights of the backbone"):
        new(new_backbone(seed=1)).fit_tasks(TASKS, checkpoint_dir=tmp_path, **OPTIONS)
    again = new(new_backbone())
    again.fit_tasks(TASKS, checkpoint_dir=tmp_path, **OPTIONS)
    assert same_students(again, taught[0])


@pytest.mark.slow
def test_artefacts_take_images(taught, tmp_path):
    model, _ = taught
    about = ccl.export_student(model, tmp_path / "out", formats="onnx", examples=(X, Y))
    assert about["input_shape"] == list(SHAPE)
    probabilities = model.predict(X, verbose=0)
    right = (probabilities.argmax(1) == Y).mean()
    assert about["artefacts"]["classifier.onnx"]["accuracy"] == pytest.approx(right)
    tolerance = {name: each["tolerance"] for name, each in about["artefacts"].items()}
    assert tolerance["classifier.onnx"]["probabilities"] == 1e-4
    assert tolerance["classifier.onnx"]["logits"] == 1e-3  # of many layers
    assert tolerance["decoder.onnx"]["x"] == 1e-4  # features, in any units
    np.save(tmp_path / "bytes.npy", X[:1])
    np.save(tmp_path / "floats.npy", X[:1].astype("float32"))
    Image.fromarray(X[0]).save(tmp_path / "image.png")
    files = [tmp_path / name for name in ("bytes.npy", "floats.npy", "image.png")]
    done = run_here("export/classify.py", tmp_path / "out/classifier.onnx", *files, "--json")
    for answer in json.loads(done.stdout):
        found = list(answer["probabilities"].values())
        np.testing.assert_allclose(found, probabilities[0], atol=1e-4)


def test_a_row_that_is_not_finite_has_no_answer(taught):
    x = X[:2].astype("float32")
    x[0, 0, 0, 0] = np.nan
    for answer in (taught[0].predict(x, verbose=0), taught[0].elbo(x), taught[0].reconstruct(x)):
        assert np.isnan(answer[0]).all() and np.isfinite(answer[1]).all()
