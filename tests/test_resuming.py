"""A run that was stopped ends as one that was not."""

import json
import signal

import keras
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of
from interrupted import OPTIONS, TASKS, Signal, Stop, finish

import keras_ccl as ccl


def early(patience=1):
    return keras.callbacks.EarlyStopping(
        "val_accuracy", mode="max", patience=patience, restore_best_weights=True
    )


@pytest.fixture(scope="module")
def uninterrupted():
    """What a run of each class ends with that nothing stopped, in graphs and op by op."""
    ends = {}

    def end(cls, tasks):
        key = cls, tf.config.functions_run_eagerly()
        if key not in ends:
            model = tiny(cls)
            ends[key] = model.fit_tasks(tasks, **OPTIONS), model
        return ends[key]

    return end


@pytest.fixture
def assert_goes_on(uninterrupted, tmp_path):
    """Stopped by a callback and resumed, a run ends as one that was not."""

    def check(cls, stopping, **options):
        tasks = TASKS[:2] if cls is ccl.EWC else TASKS  # the Fisher information takes its time
        expected, whole = uninterrupted(cls, tasks)
        with pytest.raises(KeyboardInterrupt):
            finish(tiny(cls), tmp_path, [stopping], tasks, **options)
        resumed = tiny(cls)
        history = finish(resumed, tmp_path, tasks=tasks, **options)
        assert history.to_json() == expected.to_json()
        assert [len(record["val_accuracy"]) for record in history.epochs] == [2] * len(tasks)
        assert same_weights(weights_of(whole), weights_of(resumed))
        assert float(resumed.optimizer.learning_rate) == float(whole.optimizer.learning_rate)

    return check


@pytest.mark.slow
@pytest.mark.parametrize(("cls", "after"), [(ccl.CCLGM, 2), (ccl.CCLGM, 5), (ccl.EWC, 3)])
def test_a_stopped_run_ends_as_one_that_was_not(cls, after, assert_goes_on):
    assert_goes_on(cls, Stop(after))


GRAPH_5 = pytest.param(ccl.CCLGM, 5, marks=(pytest.mark.graph, pytest.mark.slow))
EWC_8 = pytest.param(ccl.EWC, 8, marks=pytest.mark.slow)  # with the last step of a task


@pytest.mark.parametrize(("cls", "after"), [GRAPH_5, (ccl.CCLGM, 6), EWC_8])
def test_ctrl_c_within_an_epoch_costs_nothing(cls, after, assert_goes_on):
    before = signal.getsignal(signal.SIGINT)
    assert_goes_on(cls, Signal(after), save_every=99)
    assert signal.getsignal(signal.SIGINT) is before


BEST_BEFORE_THE_STOP = (2, TASKS[:2])


@pytest.mark.release
@pytest.mark.parametrize(("after", "tasks"), [(3, TASKS), BEST_BEFORE_THE_STOP])
def test_early_stopping_goes_on_where_it_was(after, tasks, tmp_path):
    whole = tiny()
    expected = finish(whole, tmp_path / "whole", [early(2)], tasks, epochs=6)
    run, stops = tiny(), 0
    while True:
        try:
            history = finish(run, tmp_path / "parts", [early(2), Stop(after)], tasks, epochs=6)
            break
        except KeyboardInterrupt:
            run, stops = tiny(), stops + 1
    assert stops >= 2
    assert history.to_json() == expected.to_json()
    assert same_weights(weights_of(whole), weights_of(run))


@pytest.mark.slow
def test_stopped_again_and_again_a_dataset_without_length_ends_the_same(tmp_path):
    x, y = rows(48)

    def batches():
        yield from ((x[i : i + 16], y[i : i + 16]) for i in range(0, 48, 16))

    spec = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.int32))
    tasks = [ccl.Task(tf.data.Dataset.from_generator(batches, output_signature=spec))] * 2
    whole = tiny()
    expected = whole.fit_tasks(tasks, epochs=3, verbose=0)
    resumed, stops = tiny(), 0
    while True:
        options = {"epochs": 3, "verbose": 0, "checkpoint_dir": tmp_path}
        try:
            history = resumed.fit_tasks(tasks, callbacks=[Signal(4)], **options)
            break
        except KeyboardInterrupt:
            resumed, stops = tiny(), stops + 1
    assert stops >= 4
    assert history.to_json() == expected.to_json()
    assert same_weights(weights_of(whole), weights_of(resumed))


def test_sigterm_saves_and_ends_the_process_as_such(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        finish(tiny(), tmp_path, [Signal(5, signal.SIGTERM)], epochs=3)
    assert ended.value.code == 143 and signal.getsignal(signal.SIGTERM) is before
    state = json.loads(max(tmp_path.iterdir()).joinpath("state.json").read_text())
    assert (state["task"], state["epoch"], state["step"]) == (0, 2, 1)
