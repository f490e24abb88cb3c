"""The memory of a CCLGM: sums of real rows that answer beside the networks."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import same_weights, slow_but, tiny, weights_of
from interrupted import Signal
from test_heads import blobs, by_class

import keras_ccl as ccl
from keras_ccl.checkpointing.folder import CheckpointFolder
from keras_ccl.export import formats

SHAPE = (6, 6, 1)
X, Y = blobs()
TASKS = [ccl.Task(task, test=task) for task in by_class(X, Y)]
OPTIONS = {"epochs": 3, "batch_size": 10, "verbose": 0}
"""Of 20 rows a task: 2 steps an epoch, 6 a task."""


def new(**options):
    return tiny(input_shape=SHAPE, **options)


def network_alone(model, x):
    return model.classify(model.encode(tf.constant(x)).mean()).logits_parameter()


@pytest.fixture(scope="module")
def taught():
    model = new()
    history = model.fit_tasks(TASKS, **OPTIONS)
    return model, history


def test_every_row_is_summed_once_whatever_the_epochs(taught):
    model, _ = taught
    memory = model.feature_memory
    features = memory.feature_map(X).numpy() - memory.feature_sums.offset.numpy()
    moments = memory.feature_sums.moments()
    assert moments.counts.tolist() == [20, 20, 20]
    np.testing.assert_allclose(moments.sums[1], features[Y == 1].sum(0), atol=1e-4)
    np.testing.assert_allclose(moments.products, features.T @ features, atol=1e-4)


def test_the_answer_is_the_product_of_network_and_memory(taught):
    model, history = taught
    together = tf.nn.log_softmax(network_alone(model, X)) + model.feature_memory.logits(X)
    np.testing.assert_allclose(model.predict(X, verbose=0), tf.nn.softmax(together), atol=1e-6)
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"] == 1
    assert history.average_accuracy.tolist() == [1, 1, 1]


@pytest.mark.slow
def test_it_remembers_where_the_networks_alone_forget():
    found = {}
    for memory in ("auto", None):
        history = new(memory=memory).fit_tasks(TASKS, **OPTIONS)
        found[memory] = history.average_accuracy[-1]
    assert found["auto"] == 1 and found[None] < 0.9


@pytest.mark.slow
def test_while_a_task_is_learnt_the_network_answers_alone():
    alone = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            answer = tf.nn.softmax(network_alone(self.model, X))
            alone.append(np.abs(self.model(tf.constant(X)) - answer).max() < 1e-6)

    model = new()
    model.fit_tasks(TASKS, callbacks=[Look()], validation_split=0.2, **OPTIONS)
    assert alone == [True] * 9 and float(model.feature_memory.answers) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "tasks"),
    [({}, [(X, Y), *TASKS]), ({"memory": None}, TASKS)],
    ids=["the first task has every class", "none is wanted"],
)
def test_there_is_none(options, tasks):
    model = new(**options)
    before = model.kept_bytes
    model.fit_tasks(tasks, **{**OPTIONS, "epochs": 1})
    assert model.memory_size == 0 and model.kept_bytes == before
    expected = tf.nn.softmax(network_alone(model, X))
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, atol=1e-6)


def test_the_paper_has_none():
    assert ccl.CCLGM.paper(SHAPE, 3).feature_memory is None
    assert ccl.EWC(SHAPE, 3).feature_memory is None


@pytest.mark.parametrize(
    ("rows", "most", "size"), [(7, 3900, 25), (300, 3900, 300), (60_000, 3900, 3900), (300, 99, 99)]
)
def test_it_has_as_many_features_as_the_first_task_has_rows(rows, most, size):
    assert new(memory_features=most).feature_memory.size_for(rows) == size


@pytest.mark.slow
def test_rows_count_by_their_weight():
    twice, weighed = new(), new()
    (x, y), *_ = by_class(X, Y)
    twice.fit_tasks([(np.concatenate([x, x[:9]]), np.concatenate([y, y[:9]]))], **OPTIONS)
    weighed.fit_tasks([(x, y, np.where(np.arange(len(y)) < 9, 2.0, 1.0))], **OPTIONS)
    sums = [model.feature_memory.feature_sums.moments() for model in (twice, weighed)]
    np.testing.assert_allclose(sums[0].counts, sums[1].counts)
    spread = [np.trace(each.products) / each.counts.sum() for each in sums]
    assert spread[0] == pytest.approx(spread[1], rel=0.2)  # about offsets a little apart


@pytest.mark.parametrize("memory", slow_but(["raw", "relu"], [], ["raw"]))
def test_it_takes_any_fixed_features(memory):
    model = new(memory=memory)
    history = model.fit_tasks(TASKS, **{**OPTIONS, "epochs": 1})
    assert history.average_accuracy[-1] == 1


@pytest.mark.release
def test_vectors_have_fourier_features():
    x = X.reshape(len(X), -1)
    model = ccl.CCLGM((36,), 3, seed=0)
    tasks, options = [ccl.Task(t, test=t) for t in by_class(x, Y)], {**OPTIONS, "batch_size": 8}
    history = model.fit_tasks(tasks, **options)
    logits = model.feature_memory.logits(tf.constant(x))
    together = tf.nn.log_softmax(network_alone(model, x)) + 0.25 * logits
    np.testing.assert_allclose(model.predict(x, verbose=0), tf.nn.softmax(together), atol=1e-5)
    assert type(model.feature_memory.feature_map).__name__ == "FourierFeatures"
    assert history.average_accuracy[-1] > 0.9  # the networks alone: 0.37


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"memory": "wavelets"}, "memory: expected .* received 'wavelets'"),
        ({"memory": "patches", "input_shape": (36,)}, r"memory: .* images .* received .* \(36,\)"),
        ({"memory_features": 0}, "memory_features: expected .* received 0"),
    ],
)
def test_a_wrong_option_is_refused(options, error):
    with pytest.raises(ValueError, match=error):
        tiny(**{"input_shape": SHAPE, **options})


@pytest.mark.slow
def test_saved_loaded_and_going_on(tmp_path):
    whole, halves = new(), new()
    whole.fit_tasks(TASKS, **OPTIONS)
    halves.fit_tasks(TASKS[:2], **OPTIONS)
    halves.save(tmp_path / "model.keras")
    loaded = ccl.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), halves.predict(X, verbose=0))
    loaded.fit_tasks(TASKS[2:], **OPTIONS)
    assert same_weights(weights_of(loaded), weights_of(whole))


@pytest.mark.slow
def test_a_run_stopped_within_the_second_task_ends_as_one_that_was_not(tmp_path):
    whole, stopped, resumed = new(), new(), new()
    expected = whole.fit_tasks(TASKS, **OPTIONS)
    options = {**OPTIONS, "checkpoint_dir": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        stopped.fit_tasks(TASKS, callbacks=[Signal(9)], **options)
    history = resumed.fit_tasks(TASKS, **options)
    assert history.to_json() == expected.to_json()
    assert same_weights(weights_of(whole), weights_of(resumed))


@pytest.mark.slow
def test_a_checkpoint_whose_memory_is_not_in_it_is_not_used(tmp_path, monkeypatch):
    saved = CheckpointFolder.save
    lie = lambda folder, state, arrays: saved(folder, {**state, "memory_size": 9000}, arrays)  # noqa: E731
    monkeypatch.setattr(CheckpointFolder, "save", lie)
    options = {**OPTIONS, "checkpoint_dir": tmp_path}
    new().fit_tasks(TASKS, **options)
    model = new()
    with pytest.warns(UserWarning, match="not used: .* memory_size 9000"):
        model.fit_tasks(TASKS, **options)
    assert model.memory_size == 25


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "options"),
    [
        ("float32", {}),
        pytest.param("mixed_bfloat16", {}, marks=pytest.mark.release),
        ("float32", {"memory": "gaussians", "likelihood": "gaussian"}),
    ],
)
def test_artefacts_answer_with_it(policy, options, tmp_path):
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = new(**options)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.fit_tasks(TASKS, **OPTIONS)
    folder = tmp_path / "out"
    ccl.export_student(model, folder, formats=tuple(formats.FORMATS), examples=(X, Y))
    found = formats.open_onnx(folder / "classifier.onnx")(X)
    tolerance = 1e-4 if policy == "float32" else 0.05
    np.testing.assert_allclose(found["probabilities"], model.predict(X, verbose=0), atol=tolerance)
    about = json.loads((folder / "model.json").read_text())
    assert about["artefacts"]["classifier.onnx"]["accuracy"] == 1


@pytest.mark.release
def test_two_replicas_sum_what_one_sums(strategy):
    one = new()
    with strategy.scope():
        two = new()
    for model in (one, two):
        model.fit_tasks(TASKS, **OPTIONS)
    sums = [model.feature_memory.feature_sums.moments() for model in (one, two)]
    for first, second in zip(*sums, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_compiled_by_xla_it_answers_the_same():
    model = new()
    model.compile("adam", jit_compile=True)
    history = model.fit_tasks(TASKS, **OPTIONS)
    assert history.average_accuracy[-1] == 1
