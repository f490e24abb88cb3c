"""Callbacks of a stopped run end as those of one that was not; settings stay the call's."""

import copy
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of
from interrupted import Signal, Stop, finish

import keras_ccl as ccl
from keras_ccl.checkpointing.callback_state import CallbackState, pack, restore_callbacks, unpack

TASKS = [ccl.Task(rows(36, seed=k), validation=rows(12, seed=5 + k)) for k in range(2)]
OPTIONS = {"tasks": TASKS, "epochs": 3, "validation_split": 0.0, "learning_rate_decay": None}


class Own(keras.callbacks.Callback):
    """A callback of a user's: what it counts and keeps, from task to task."""

    fits = 0

    def __init__(self, left=100):
        super().__init__()
        self.left, self.seen, self.mean, self.by_name = left, [], np.zeros(2), {}

    def on_train_begin(self, logs=None):
        self.fits += 1

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        self.mean = self.mean + logs["loss"] * np.ones(2)

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, logs["loss"]))
        self.by_name = {"loss": {epoch: logs["loss"]}}


def every_callback(folder):
    """All of keras.callbacks that need nothing else installed, and one of a user's."""
    return [
        keras.callbacks.EarlyStopping(
            "val_loss", patience=1, min_delta=1e-3, restore_best_weights=True
        ),
        keras.callbacks.ReduceLROnPlateau(
            "loss", patience=1, min_delta=1.0, cooldown=1, mode="min"
        ),
        keras.callbacks.ModelCheckpoint(
            str(folder / "{epoch}-{batch}.weights.h5"), save_weights_only=True, save_freq=3
        ),
        keras.callbacks.ModelCheckpoint(
            str(folder / "best.weights.h5"),
            "val_loss",
            save_best_only=True,
            save_weights_only=True,
            mode="min",
            initial_value_threshold=500.0,
        ),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(str(folder / "log.csv")),
        keras.callbacks.History(),
        keras.callbacks.LambdaCallback(),
        Own(),
    ]


def run(folder, checkpoints, stopping=()):
    """A run in `folder`: its history, its callbacks as they end, and its model."""
    folder.mkdir(exist_ok=True)
    callbacks, model = every_callback(folder), tiny(ccl.JointVAE, prior="normal")
    states = [CallbackState(callback) for callback in callbacks]
    history = finish(model, checkpoints, [*callbacks, *stopping], **OPTIONS)
    return history.to_json(), [state.changed() for state in states], model


def ends(found):
    history, states, model = found
    for state in states:  # in the order that a reader of JSON gives
        state |= {k: dict(sorted(v.items())) for k, v in state.items() if k == "history"}
    return history, repr(states), float(model.optimizer.learning_rate)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    keras.utils.set_random_seed(0)
    tf.config.run_functions_eagerly(True)
    folder = tmp_path_factory.mktemp("whole")
    return run(folder, folder / "run"), folder


BETWEEN_TASKS = Stop(3)
LATER = [
    pytest.param(stopping, marks=pytest.mark.release) for stopping in (BETWEEN_TASKS, Signal(8))
]


@pytest.mark.slow
@pytest.mark.parametrize("stopping", [Signal(5), *LATER])
def test_all_of_them_end_as_if_nothing_had_stopped_them(stopping, whole, tmp_path):
    expected, files = whole
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tmp_path / "run", [stopping])
    found = run(tmp_path, tmp_path / "run")
    assert ends(found) == ends(expected)
    assert same_weights(weights_of(expected[2]), weights_of(found[2]))
    assert (tmp_path / "log.csv").read_text() == (files / "log.csv").read_text()
    names = {path.name for path in files.glob("*.h5")}
    assert names == {path.name for path in tmp_path.glob("*.h5")}
    for name in names:
        saved = [tiny(ccl.JointVAE, prior="normal") for _ in range(2)]
        for model, where in zip(saved, (files, tmp_path), strict=True):
            model.load_weights(where / name)
        assert same_weights(*map(weights_of, saved)), name


@pytest.mark.slow
def test_swapped_averages_are_swapped_back(tmp_path):
    def run(folder, stopping=()):
        model = tiny(ccl.JointVAE, prior="normal")
        model.compile(keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5))
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        short = {**OPTIONS, "tasks": TASKS[:1]}
        return finish(model, folder, [swap, *stopping], **short).to_json(), weights_of(model)

    expected = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", [Stop(2)])
    found = run(tmp_path / "parts")
    assert found[0] == expected[0] and same_weights(found[1], expected[1])


SHORT = {**OPTIONS, "tasks": TASKS[:1], "epochs": 2}


def stopped(folder, callbacks):
    with pytest.raises(KeyboardInterrupt):
        finish(tiny(ccl.JointVAE), folder, [*callbacks, Stop(1)], **SHORT)


@pytest.mark.slow
def test_settings_are_the_calls_own_and_differences_are_told(tmp_path):
    stopping = keras.callbacks.EarlyStopping
    stopped(tmp_path, [stopping("val_loss", patience=3, min_delta=0.1, verbose=1), Own(left=7)])
    for callbacks, message in (
        ([stopping("val_loss", patience=1, min_delta=0.1)], "EarlyStopping.patience: .* 3, this"),
        ([stopping("loss", patience=3, min_delta=0.1)], "EarlyStopping.monitor: .* 'val_loss'"),
        ([], "callbacks.EarlyStopping: the checkpoint has .*, this run None"),
        ([stopping("val_loss", patience=3, min_delta=0.1), Own(left=8)], "Own.left: .* 7, this"),
    ):
        with pytest.raises(ValueError, match=f"belongs to another run:.*(?s:.*){message}"):
            finish(tiny(ccl.JointVAE), tmp_path, callbacks, **SHORT)
    again = stopping("val_loss", patience=3, min_delta=0.1)
    finish(tiny(ccl.JointVAE), tmp_path, [again], **SHORT)  # without Own, and silent
    assert again.min_delta == -0.1  # as Keras has it, not negated once more


@pytest.mark.slow
def test_a_checkpoint_does_not_say_where_to_write(tmp_path):
    def saving(name):
        return keras.callbacks.ModelCheckpoint(str(tmp_path / name))

    class Writer(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.path, self.count = "mine", 0

    stopped(tmp_path / "run", [saving("first.keras"), Writer()])
    forged = {
        "class": "Writer",
        "changed": {"dict": [["path", None], ["on_epoch_end", 1], ["new", 2]]},
    }
    writer, moved = Writer(), saving("second.keras")
    restore_callbacks([CallbackState(writer)], [forged], {})
    assert (writer.path, writer.new) == ("mine", 2) and callable(writer.on_epoch_end)
    finish(tiny(ccl.JointVAE), tmp_path / "run", [moved, writer], **SHORT)
    assert moved.filepath.endswith("second.keras") and (tmp_path / "second.keras").exists()


def test_what_is_packed_comes_back_type_and_all():
    values = {
        "a": [1, 2.5, None, True],
        "b": {"c": (np.float32(1.5), np.arange(3)), 4: []},
        "d": float("inf"),
        "best_weights": [np.zeros(2), np.int32(3)],
    }
    callback = keras.callbacks.Callback()
    state = CallbackState(callback)
    vars(callback).update(copy.deepcopy(values), name="text", model_of_theirs=object())
    records, arrays = pack([state])
    ((kind, found),) = unpack(json.loads(json.dumps(records)), arrays)
    assert kind == "Callback" and repr(found) == repr(values)
