"""fit_tasks: what is read and when, what is recorded, and what goes on after it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.data.ready_tasks import CheckedTask
from keras_ccl.training.optimizer import reset_optimizer


def watched(model, number, log):
    """A dataset that raises if it is read after its own task."""
    x, y = rows(24, seed=number)

    def generator():
        if int(model.tasks_seen) >= number:
            raise AssertionError(f"task {number} was read after its end")
        log.append(number)
        yield x, y

    signature = (tf.TensorSpec((None, 6)), tf.TensorSpec((None,), tf.int32))
    return tf.data.Dataset.from_generator(generator, output_signature=signature)


def test_no_data_of_an_earlier_task_is_read_again():
    model, log = tiny(), []
    stream = [watched(model, k, log) for k in (1, 2, 3)]
    model.fit_tasks(stream, epochs=2, verbose=0)
    assert int(model.tasks_seen) == 3 and set(log) == {1, 2, 3}
    with pytest.raises(tf.errors.OpError, match="task 1 was read after its end"):
        list(stream[0])  # the guard does guard


def test_test_rows_do_not_steer_training():
    train, other = rows(40, seed=1), rows(40, seed=9)
    models = [tiny() for _ in range(2)]
    for model, test in zip(models, (train, other), strict=True):
        model.fit_tasks([ccl.Task(train, test=test)] * 2, epochs=1, batch_size=20, verbose=0)
    assert same_weights(*(weights_of(model) for model in models))


def test_r_holds_what_evaluate_says():
    model = tiny()
    tasks = [ccl.Task(rows(40, seed=k), test=rows(30, seed=10 + k)) for k in range(2)]
    history = model.fit_tasks(tasks, epochs=2, batch_size=40, verbose=0)
    for j, task in enumerate(tasks):
        measured = model.evaluate(*task.test, verbose=0, return_dict=True, batch_size=1000)
        assert history.accuracy[1, j] == pytest.approx(measured["accuracy"])
        assert history.negative_elbo[1, j] == pytest.approx(measured["negative_elbo"], rel=1e-5)
    assert np.isnan(history.accuracy[0, 1])


def test_a_task_without_test_rows_is_not_measured():
    history = tiny().fit_tasks([rows(seed=1), rows(seed=2)], epochs=1, batch_size=40, verbose=0)
    assert np.isnan(history.accuracy).all() and np.isnan(history.average_accuracy).all()


@pytest.mark.graph
@pytest.mark.slow
def test_going_on_equals_not_having_stopped():
    tasks = [ccl.Task(rows(40, seed=k), test=rows(10, seed=k)) for k in range(3)]
    whole, parts = tiny(), tiny()
    whole_history = whole.fit_tasks(tasks, epochs=2, verbose=0, batch_size=16)
    parts.fit_tasks(tasks[:2], epochs=2, verbose=0, batch_size=16)
    rest = parts.fit_tasks(tasks[2:], epochs=2, verbose=0, batch_size=16)
    assert same_weights(weights_of(whole), weights_of(parts))
    assert rest.tasks_before == 2
    assert rest.accuracy[2, 2] == whole_history.accuracy[2, 2]
    assert np.isnan(rest.accuracy[:2]).all() and np.isnan(rest.accuracy[2, :2]).all()
    assert np.isnan(rest.forgetting[2]) and np.isnan(rest.average_accuracy[2])


def test_validation_weighs_generated_rows_by_the_tasks_they_stand_for():
    model = tiny()
    model.fit_tasks([rows(seed=1), rows(seed=2)], epochs=1, batch_size=40, verbose=0)
    held_out = CheckedTask(ccl.Task(rows(20)), 3, model.data_spec).ready().train
    parts = [[t.numpy() for t in batch] for batch in model.validation_rows(held_out, 8)]
    x, y, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert len(x) == len(y) == 40
    assert weight[20:].sum() == pytest.approx(2 * weight[:20].sum())
    assert weight.mean() == pytest.approx(1)  # so that the loss is a mean over the rows
    np.testing.assert_array_equal(y[20:], model.teacher.predict(x[20:], verbose=0).argmax(1))


@pytest.mark.slow
def test_early_stopping_ends_a_task_and_its_best_weights_stay():
    stop = keras.callbacks.EarlyStopping("val_accuracy", patience=1, restore_best_weights=True)
    model = tiny()
    history = model.fit_tasks(
        [rows(60, seed=1), rows(60, seed=2)],
        epochs=40,
        batch_size=60,
        validation_split=0.3,
        callbacks=[stop],
        verbose=0,
    )
    for record in history.epochs:
        best = int(np.argmax(record["val_accuracy"]))
        assert len(record["val_accuracy"]) == min(best + 2, 40)
    assert int(model.tasks_seen) == 2


def test_the_learning_rate_falls_along_a_cosine_and_comes_back():
    rates = []

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    model = tiny()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit_tasks([rows(32)], epochs=2, batch_size=8, callbacks=[Record()], verbose=0)
    np.testing.assert_allclose(rates, 0.005 * (1 + np.cos(np.pi * np.arange(8) / 8)), rtol=1e-4)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_a_schedule_of_the_users_own_is_left_alone():
    model = tiny()
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)))
    model.fit_tasks([rows(32)], epochs=2, batch_size=8, verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 * 0.5 ** (8 / 5), rel=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "adagrad", "ftrl"])
def test_a_reset_optimizer_is_as_good_as_new(optimizer):
    model = tiny()
    model.compile(optimizer)
    model.optimizer.build(model.trainable_variables)
    before = [v.numpy() for v in model.optimizer.variables]
    model.fit(*rows(), verbose=0)
    reset_optimizer(model)
    assert same_weights(before, [v.numpy() for v in model.optimizer.variables])


def test_the_optimizer_keeps_its_state_if_asked():
    model = tiny()
    model.fit_tasks([rows(16), rows(16)], epochs=1, batch_size=8, optimizer_state="keep", verbose=0)
    assert int(model.optimizer.iterations) == 4


@pytest.mark.graph
@pytest.mark.slow
def test_the_step_is_traced_twice_at_most():
    traced = []

    class Counting(ccl.CCLGM):
        def training_rows(self, x, y):
            traced.append(1)
            return super().training_rows(x, y)

    model = tiny(Counting)
    model.fit_tasks([rows(n, seed=n) for n in (20, 33, 17, 3)], epochs=2, batch_size=8, verbose=0)
    assert len(traced) == 2
    model.fit_tasks([rows(1)] * 2, epochs=1, batch_size=8, verbose=0)
    assert len(traced) == 3  # the first task that lacks a class


def test_epochs_may_differ_by_task():
    history = tiny().fit_tasks([rows(), rows()], epochs=[1, 3], batch_size=40, verbose=0)
    assert [len(record["loss"]) for record in history.epochs] == [1, 3]


def test_a_split_given_as_a_function_is_called_when_its_task_is_reached():
    model, seen = tiny(), []

    def late():
        seen.append(int(model.tasks_seen))
        return rows()

    model.fit_tasks([rows(), late], epochs=1, batch_size=40, verbose=0)
    assert seen == [1]


@pytest.mark.slow
def test_progress_tells_task_epoch_accuracy_and_time(capsys):
    tiny().fit_tasks([rows(), rows()], epochs=2, batch_size=32, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("task 2/2  epoch 1/2  accuracy 0.")
    assert lines[-1].endswith("0 s left")


@pytest.mark.slow
def test_images_of_any_shape_learn_with_the_convolutional_networks():
    x, y = rows(16, (9, 7, 2))
    model = ccl.CCLGM((9, 7, 2), 3, latent_dim=3, architecture="convolutional", prior_components=1)
    history = model.fit_tasks([ccl.Task((x, y), test=(x, y))] * 2, epochs=1, verbose=0)
    assert np.isfinite(history.negative_elbo[1]).all()


@pytest.mark.graph
@pytest.mark.slow
def test_replay_remembers_what_vae_cl_forgets():
    rng = np.random.default_rng(0)
    centres = np.eye(8, dtype="float32")[:4] * 0.9 + 0.05

    def task(classes):
        y = rng.choice(classes, 1500)
        return (rng.uniform(size=(1500, 8)) < centres[y]).astype("float32"), y

    accuracy = {}
    for cls in (ccl.JointVAE, ccl.CCLGM):
        tasks = [ccl.Task(task(c), test=task(c)) for c in ([0, 1], [2, 3])]
        model = tiny(cls, (8,), 4, latent_dim=4)
        model.compile(keras.optimizers.Adam(1e-2))
        history = model.fit_tasks(tasks, epochs=8, batch_size=64, verbose=0)
        accuracy[cls] = history.accuracy[1]
    assert accuracy[ccl.JointVAE][0] < 0.2  # only the new classes are left
    assert accuracy[ccl.CCLGM][0] > 0.6 and accuracy[ccl.CCLGM][1] > 0.6
