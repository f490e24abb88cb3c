"""The user's callbacks over tasks: who sets the rate, who begins anew, who sees one fit."""

import csv
from unittest import mock

import keras
import numpy as np
import pytest
from checks import rows, same_weights, slow_but, tiny, weights_of
from interrupted import Signal, Stop

import keras_ccl as ccl
from keras_ccl.checkpointing.saving_callback import EpochLogs
from keras_ccl.results.history import TaskHistory
from keras_ccl.training.task_callbacks import AsOneFit

TASKS = [rows(12, seed=1), rows(12, seed=2)]


def model(rate=0.01, **options):
    student = tiny(ccl.JointVAE, prior="normal")
    student.compile(keras.optimizers.Adam(rate, **options))
    return student


def learn(student, *callbacks, tasks=TASKS, **options):
    settings = {"epochs": 2, "batch_size": 6, "verbose": 0, **options}
    return student.fit_tasks(tasks, callbacks=list(callbacks), **settings)


class Rates(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(round(float(self.model.optimizer.learning_rate), 6))


class SetTheRate(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 2:
            self.model.optimizer.learning_rate = 0.5


def plateau():
    return keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9)


RATE_SETTERS = {
    "LearningRateScheduler": (
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
        [0.1, 0.1, 0.05, 0.05, 0.1 / 3, 0.1 / 3],
    ),
    "ReduceLROnPlateau": (plateau, [0.01] * 4 + [0.001] * 2),
    "one's own": (SetTheRate, [0.01, 0.5, 0.5, 0.5, 0.5, 0.5]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but(RATE_SETTERS, ["ReduceLROnPlateau"]))
def test_a_callback_that_sets_the_learning_rate_wins_in_each_task_anew(name):
    setter, expected = RATE_SETTERS[name]
    student, rates = model(), Rates()
    learn(student, setter(), rates, epochs=3)
    np.testing.assert_allclose(rates.seen[:6], expected, atol=1e-6)
    assert rates.seen[6:] == rates.seen[:6]
    assert float(student.optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize("name", ["LearningRateScheduler", "ReduceLROnPlateau"])
def test_a_decay_that_is_asked_for_beside_such_a_callback_is_refused(name):
    with pytest.raises(ValueError, match=f"learning_rate_decay: expected .* None beside {name}"):
        learn(model(), RATE_SETTERS[name][0](), learning_rate_decay="cosine")


@pytest.mark.parametrize("decay", ["auto", "cosine"])
def test_without_one_the_rate_decays(decay):
    rates = Rates()
    learn(model(), rates, tasks=TASKS[:1], learning_rate_decay=decay)
    np.testing.assert_allclose(
        rates.seen, 0.005 * (1 + np.cos(np.pi * np.arange(4) / 4)), atol=1e-6
    )


class Moments(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_task_begin(self, task):
        self.seen.append(("begin", task.number, task.name, int(self.model.tasks_seen)))

    def on_train_begin(self, logs=None):
        self.seen.append("fit")

    def on_task_end(self, task):
        self.seen.append(("end", task.number, task.name, int(self.model.tasks_seen)))


def test_callbacks_are_told_where_tasks_begin_and_end():
    moments, ends = Moments(), []
    other = keras.callbacks.LambdaCallback(on_task_end=lambda task: ends.append(task.number))
    learn(model(), moments, other, tasks=[ccl.Task(TASKS[0], name="one"), TASKS[1]], epochs=1)
    one, two = [("begin", 1, "one", 0), "fit", ("end", 1, "one", 1)], ["begin", "fit", "end"]
    assert moments.seen[:3] == one and ends == [1, 2]
    assert [moment if moment == "fit" else moment[0] for moment in moments.seen[3:]] == two


def test_one_callback_and_none_are_given_as_in_keras():
    history = keras.callbacks.History()
    for callbacks in (None, history):
        options = {"epochs": 1, "verbose": 0, "callbacks": callbacks}
        tiny(ccl.JointVAE, prior="normal").fit_tasks(TASKS[:1], **options)
    assert len(history.history["loss"]) == 1


@pytest.mark.parametrize(
    ("callback", "options", "message"),
    [
        (keras.callbacks.BackupAndRestore, {}, "BackupAndRestore .* checkpoint_dir=...\\) in its"),
        (
            lambda path: keras.callbacks.CSVLogger(path, append=True),
            {"checkpoint_dir": "none"},
            r"expected CSVLogger\(append=False\) beside checkpoint_dir",
        ),
    ],
    ids=["BackupAndRestore", "CSVLogger"],
)
def test_callbacks_that_know_one_fit_alone_are_refused_with_the_remedy(
    callback, options, message, tmp_path
):
    student = model()
    before = weights_of(student)
    with pytest.raises(ValueError, match=message):
        learn(student, callback(str(tmp_path / "log")), **options)
    assert same_weights(before, weights_of(student)) and not list(tmp_path.iterdir())


class Rising(keras.callbacks.Callback):
    """A measure that is better in task 1, and best in the first epoch of each."""

    def on_epoch_end(self, epoch, logs=None):
        logs["measure"] = 10.0 / logs["task"] - epoch


def test_the_best_is_that_of_each_task(tmp_path):
    one = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "{task}-{epoch}.weights.h5"),
        monitor="measure",
        mode="max",
        save_best_only=True,
        save_weights_only=True,
    )
    student = model()
    for tasks in (TASKS, TASKS[:1]):  # a second call too
        learn(student, Rising(), one, tasks=tasks)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{k}-1.weights.h5" for k in (1, 2, 3)]


def of_file(path):
    with open(path) as file:
        return [(int(row["epoch"]), int(float(row["task"]))) for row in csv.DictReader(file)]


def test_what_records_sees_the_stream_as_one_fit(tmp_path):
    log, history = keras.callbacks.CSVLogger(tmp_path / "log.csv"), keras.callbacks.History()
    monitor = keras.callbacks.RemoteMonitor(send_as_json=True)
    board = keras.callbacks.TensorBoard(tmp_path / "board", update_freq=1, write_graph=False)
    board._summary_module = mock.MagicMock()  # the package tensorboard is none of the tests'
    with mock.patch("requests.post") as post:
        learn(model(), log, history, monitor, board)
    expected = [(0, 1), (1, 1), (2, 2), (3, 2)]
    sent = [call.kwargs["json"] for call in post.call_args_list]
    assert of_file(tmp_path / "log.csv") == expected
    assert list(zip(history.epoch, history.history["task"], strict=True)) == expected
    assert [(row["epoch"], row["task"]) for row in sent] == expected
    written = [(call.args[0], call.kwargs["step"]) for call in board.summary.scalar.call_args_list]
    assert [step for name, step in written if name == "epoch_loss"] == [0, 1, 2, 3]
    assert [step for name, step in written if name == "batch_loss"] == list(range(1, 9))
    tasks = [c for c in board.summary.scalar.call_args_list if c.args[0] == "epoch_task"]
    assert [(call.kwargs["step"], call.args[1]) for call in tasks] == expected


@pytest.mark.slow
@pytest.mark.parametrize("stopping", [pytest.param(Stop(1), marks=pytest.mark.slow), Signal(7)])
def test_a_log_of_a_resumed_run_is_that_of_one_that_was_not_stopped(stopping, tmp_path):
    def logged(name, *callbacks, **options):
        learn(model(), keras.callbacks.CSVLogger(tmp_path / name), *callbacks, **options)

    logged("whole")
    with pytest.raises(KeyboardInterrupt):
        logged("parts", stopping, checkpoint_dir=tmp_path / "run")
    logged("parts", checkpoint_dir=tmp_path / "run")
    assert (tmp_path / "parts").read_text() == (tmp_path / "whole").read_text()


def test_what_does_not_keep_its_rows_is_told_of_each_once_by_a_resumed_run():
    history, logs, told = TaskHistory(method="any"), EpochLogs(), []
    history.append("one", [0.5], [1.0], {"loss": [3.0, 2.0]})
    callback = AsOneFit(keras.callbacks.RemoteMonitor())
    callback.callback.on_epoch_end = lambda epoch, logs: told.append((epoch, logs["loss"]))
    callback.begin_task(history, logs, first_epoch=1)
    logs.epochs = {"loss": [1.5]}
    callback.on_train_begin()
    callback.on_epoch_end(1, {"loss": 1.0})
    assert told == [(3, 1.0)]


@pytest.mark.slow
def test_averaged_weights_are_those_that_a_task_ends_with():
    student = model(use_ema=True, ema_momentum=0.5)
    learn(student, keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    averages = student.optimizer._model_variables_moving_average
    for variable, average in zip(student.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(variable, average)


def test_a_bar_of_keras_is_shown_if_it_is_asked_for(capsys):
    learn(model(), keras.callbacks.ProgbarLogger())
    assert capsys.readouterr().out.count("Epoch 1/2") == 2


def test_bytes_are_told_of_once(capsys):
    x, y = TASKS[0]
    tasks = [((255 * x).astype("uint8"), y)] * 2
    learn(model(), tasks=tasks, verbose=2, epochs=1)
    assert capsys.readouterr().out.count("x is uint8: divided by 255") == 1
    learn(model(), tasks=tasks, epochs=1)
    assert not capsys.readouterr().out
