"""A run that was stopped ends as one that was not; a checkpoint that does not fit is refused."""

import hashlib
import json
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.checkpointing import folder, state

TASKS = [ccl.Task(rows(60, seed=k), test=rows(20, seed=k)) for k in range(2)]
TASKS.append(ccl.Task((TASKS[0].train[0], TASKS[0].train[1] % 2), test=rows(20)))  # two classes
OPTIONS = {"epochs": 4, "batch_size": 16, "verbose": 0, "validation_split": 0.2}


class Stop(keras.callbacks.Callback):
    """Raises after so many epochs of the whole stream, as Ctrl-C would."""

    def __init__(self, after):
        super().__init__()
        self.left = [after]  # a list of numbers: not what a checkpoint callback_state of a callback

    def on_epoch_begin(self, epoch, logs=None):
        if self.left[0] == 0:
            raise KeyboardInterrupt
        self.left[0] -= 1


def early(patience=1):
    return keras.callbacks.EarlyStopping(
        "val_accuracy", mode="max", patience=patience, restore_best_weights=True
    )


def finish(model, folder, callbacks=(), **options):
    return model.fit_tasks(
        TASKS, checkpoint_dir=folder, callbacks=list(callbacks), **{**OPTIONS, **options}
    )


def assert_goes_on(cls, folder, stopping, **options):
    """Stopped by a callback and resumed, a run ends as one that was not."""
    whole, resumed = tiny(cls), tiny(cls)
    expected = whole.fit_tasks(TASKS, **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        finish(tiny(cls), folder, [stopping], **options)
    history = finish(resumed, folder, **options)
    assert history.to_json() == expected.to_json()
    assert [len(record["val_accuracy"]) for record in history.epochs] == [4, 4, 4]
    assert same_weights(weights_of(whole), weights_of(resumed))
    assert float(resumed.optimizer.learning_rate) == float(whole.optimizer.learning_rate)


@pytest.mark.parametrize(
    ("cls", "after"),
    [(ccl.CCLGM, 1), (ccl.CCLGM, 4), (ccl.CCLGM, 6), (ccl.CCLGM, 11), (ccl.EWC, 6)],
)
def test_a_stopped_run_ends_as_one_that_was_not(cls, after, tmp_path):
    assert_goes_on(cls, tmp_path, Stop(after))


def test_early_stopping_goes_on_where_it_was(tmp_path):
    whole = tiny()
    expected = finish(whole, tmp_path / "whole", [early(2)], epochs=12)
    run = tiny()
    stops = 0
    while True:
        try:
            history = finish(run, tmp_path / "parts", [early(2), Stop(3)], epochs=12)
            break
        except KeyboardInterrupt:
            run, stops = tiny(), stops + 1
    assert stops >= 2
    assert history.to_json() == expected.to_json()
    assert same_weights(weights_of(whole), weights_of(run))


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    """A finished run: its folder, history and weights."""
    keras.utils.set_random_seed(0)
    folder, model = tmp_path_factory.mktemp("run"), tiny()
    history = finish(model, folder, keep_last=3)
    return folder, history.to_json(), weights_of(model)


@pytest.fixture
def finished(one_run, tmp_path):
    """A copy of its folder to do harm to."""
    return shutil.copytree(one_run[0], tmp_path / "copy")


def test_a_finished_run_has_nothing_left_to_do(one_run, finished):
    again = tiny()
    assert finish(again, finished, [Stop(0)]).to_json() == one_run[1]
    assert same_weights(one_run[2], weights_of(again))


def test_only_the_last_checkpoints_stay(finished):
    assert sorted(path.name for path in finished.iterdir()) == [f"{k:08d}" for k in (13, 14, 15)]


def test_save_every_saves_less_often(tmp_path):
    finish(tiny(), tmp_path, keep_last=99, save_every=3)
    assert len(list(tmp_path.iterdir())) == 3 * (2 + 1)  # epochs 3 and 4, and the end of the task


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 5}, r"fit_tasks.epochs: the checkpoint has \[4, 4, 4\], this run \[5, 5, 5\]"),
        ({"batch_size": 8}, "fit_tasks.batch_size: the checkpoint has 16, this run 8"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_with_the_difference(changed, message, finished):
    model = tiny()
    before = weights_of(model)
    with pytest.raises(ValueError, match=message):
        finish(model, finished, **changed)
    assert same_weights(before, weights_of(model))


def test_a_checkpoint_of_another_model_or_stream_is_refused_with_the_difference(finished):
    for model, message in (
        (tiny(ccl.JointVAE), "model.class: the checkpoint has 'CCLGM', this run 'JointVAE'"),
        (tiny(replay="mixed"), "model.replay: the checkpoint has 'balanced', this run 'mixed'"),
        (tiny(latent_dim=3), "model.latent_dim: the checkpoint has 2, this run 3"),
    ):
        with pytest.raises(ValueError, match=message):
            finish(model, finished)
    with pytest.raises(ValueError, match="stream.tasks: the checkpoint has"):
        tiny().fit_tasks(TASKS[:2], checkpoint_dir=finished, **OPTIONS)


@pytest.mark.parametrize("name", ["arrays.npz", "state.json", "run.json", "manifest.json"])
@pytest.mark.parametrize("harm", ["cut", "changed", "missing"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(name, harm, one_run, finished):
    newest = finished / "00000015"
    content = bytearray((newest / name).read_bytes())
    if harm == "missing":
        (newest / name).unlink()
    else:
        content[len(content) // 2] ^= 0xFF
        (newest / name).write_bytes(content[: len(content) // 2] if harm == "cut" else content)
    resumed = tiny()
    with pytest.warns(UserWarning, match="damaged, and not used: .*00000015"):
        history = finish(resumed, finished)
    assert history.to_json() == one_run[1]
    assert same_weights(one_run[2], weights_of(resumed))


def test_what_a_killed_save_left_is_not_read_and_swept_away(finished):
    shutil.copytree(finished / "00000015", finished / ".partial-x")
    (finished / ".partial-x" / "state.json").write_text("{")
    assert len(finish(tiny(), finished)) == 3
    assert all(path.name.isdigit() for path in finished.iterdir())


def test_a_full_disk_leaves_the_last_whole_checkpoint(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        finish(tiny(), tmp_path, [Stop(2)])
    kept = sorted(path.name for path in tmp_path.iterdir())

    def full(path, content):
        path.write_bytes(content[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_write_flushed", full)
        with pytest.raises(OSError, match="No space left"):
            finish(tiny(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    assert len(finish(tiny(), tmp_path)) == 3


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    model = tiny()
    before = weights_of(model)
    with pytest.raises(OSError, match="checkpoint_dir: cannot write to"):
        finish(model, tmp_path / "file" / "inside")
    assert same_weights(before, weights_of(model))


def test_nothing_is_unpickled(finished):
    for path in finished.iterdir():
        with np.load(path / "arrays.npz", allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays.files)


def test_what_callbacks_remember():
    callback = early()
    callback.on_train_begin()
    callback.best, callback.wait = np.float32(0.5), 1
    callback.best_weights = [np.zeros(2)]
    plain, lists = state.callback_state(callback)
    assert plain["best"] == 0.5 and plain["wait"] == 1 and list(lists) == ["best_weights"]
    assert not {"_model", "params"} & {*plain, *lists}


def written_by_another(folder, change):
    """The newest checkpoint changed by somebody who can write hashes too."""
    newest = folder / "00000015"
    state = json.loads((newest / "state.json").read_text())
    change(state)
    content = json.dumps(state).encode()
    (newest / "state.json").write_bytes(content)
    manifest = json.loads((newest / "manifest.json").read_text())
    manifest["sha256"]["state.json"] = hashlib.sha256(content).hexdigest()
    (newest / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("stopped"),  # found by benchmarks/fuzz.py
        lambda state: state.update(stopped=[]),
        lambda state: state.update(task=-1),
        lambda state: state.update(task=2),
        lambda state: state.update(epoch="1"),
        lambda state: state.update(epochs=2**63),
        lambda state: state.update(noise_at_start=[1]),
        lambda state: state.update(history="{}"),
        lambda state: state.update(callbacks=[{"class": 1}]),
        lambda state: state.update(callbacks=None),
    ],
)
def test_a_state_that_was_never_written_is_passed_over(change, one_run, finished):
    written_by_another(finished, change)
    resumed = tiny()
    with pytest.warns(UserWarning, match="damaged, and not used: .*00000015"):
        history = finish(resumed, finished)
    assert history.to_json() == one_run[1]
    assert same_weights(one_run[2], weights_of(resumed))


class Signal(keras.callbacks.Callback):
    """Sends this process a signal after so many steps of the whole stream."""

    def __init__(self, after, number=signal.SIGINT):
        super().__init__()
        self.left, self.number = [after], number

    def on_train_batch_end(self, batch, logs=None):
        self.left[0] -= 1
        if self.left[0] == 0:
            signal.raise_signal(self.number)


# 48 rows of a task are 3 steps an epoch, 12 a task.
@pytest.mark.parametrize(
    ("cls", "after"),
    [(ccl.CCLGM, 1), (ccl.CCLGM, 14), (ccl.CCLGM, 15), (ccl.CCLGM, 24), (ccl.EWC, 20)],
)
def test_ctrl_c_within_an_epoch_costs_nothing(cls, after, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    assert_goes_on(cls, tmp_path, Signal(after), save_every=99)
    assert signal.getsignal(signal.SIGINT) is before


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
        finish(tiny(), tmp_path, [Signal(8, signal.SIGTERM)])
    assert ended.value.code == 143 and signal.getsignal(signal.SIGTERM) is before
    state = json.loads(max(tmp_path.iterdir()).joinpath("state.json").read_text())
    assert (state["task"], state["epoch"], state["step"]) == (0, 2, 2)
