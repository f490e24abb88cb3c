"""Keras's `fit` and `evaluate`: one task, checked as in `fit_tasks`, under Keras's own names."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl

X, Y = rows(40)
ONE_HOT = np.eye(3, dtype="float32")[Y]


def compiled(cls=ccl.CCLGM, **options):
    model = tiny(cls, **options)
    model.compile(keras.optimizers.Adam(0.01))
    return model


def test_fit_is_one_task():
    """What `fit_tasks` learns without its decay: two calls, two tasks, replayed and counted."""
    expected, model = compiled(), compiled()
    options = {"epochs": 1, "batch_size": 20, "verbose": 0}
    expected.fit_tasks(
        [(X, Y % 2), (X, Y)], learning_rate_decay=None, optimizer_state="keep", **options
    )
    model.fit(X, Y % 2, **options)
    record = model.fit(X, Y, **options)
    assert same_weights(weights_of(expected), weights_of(model))
    assert int(model.tasks_seen) == 2 and record.history["distillation"][0] >= 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": X, "y": Y + 3}, "task 1, train: expected labels from 0 to 2, received 3 in row 0"),
        ({"x": 255 * X, "y": Y}, "task 1, train: a Bernoulli likelihood expects x in"),
        ({"x": X, "y": Y, "validation_data": (X[:, :5], Y)}, "task 1, validation: x is"),
        ({"x": X, "y": Y, "class_weight": {3: 1.0}}, "class_weight: expected classes from 0 to 2"),
        ({"x": X, "y": Y, "class_weight": {0: -1.0}}, r"class_weight\[0\]: expected a finite"),
        ({"x": tf.data.Dataset.from_tensors((X, Y)), "y": Y}, "y: expected none, since a tf.data"),
        ({"x": X, "y": Y, "shuffle": "batch"}, "shuffle: expected one of True, False"),
        ({"x": X, "y": Y, "epochs": 0}, "epochs: expected a finite integer > 0"),
    ],
)
def test_fit_refuses_before_anything_changes(given, message):
    model = compiled()
    before = weights_of(model)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(verbose=0, **given)
    assert same_weights(before, weights_of(model))


def test_fit_needs_compile_as_in_keras():
    with pytest.raises(ValueError, match="fit: expected a compiled model; call compile"):
        tiny().fit(X, Y, verbose=0)


def test_fit_validates_on_the_rows_it_is_given():
    model = compiled(ccl.JointVAE)
    train, held_out = (X[:30], Y[:30]), (X[30:], Y[30:])
    options = {"epochs": 2, "verbose": 0, "shuffle": False}
    given = model.fit(*train, validation_data=held_out, **options).history
    assert given["val_loss"][-1] == pytest.approx(model.evaluate(*held_out, verbose=0)[0])
    split = compiled(ccl.JointVAE).fit(X, Y, validation_split=0.25, **options).history
    for name, values in given.items():
        assert split[name] == pytest.approx(values)


def test_fit_in_order_and_by_steps_as_in_keras():
    met = []

    class Watched(ccl.JointVAE):
        def training_rows(self, x, y):
            met.append(x.numpy())
            return super().training_rows(x, y)

    model = compiled(Watched)
    model.fit(X, Y, batch_size=20, steps_per_epoch=3, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_array_equal(np.concatenate(met), np.concatenate([X, X[:20]]))
    met.clear()
    model.fit(X, Y, epochs=3, initial_epoch=1, verbose=0)
    assert [len(x) for x in met] == [32, 8] * 2 and not np.array_equal(met[0], met[2])


def test_evaluate_takes_the_labels_that_fit_tasks_takes_and_refuses_the_others():
    model = compiled()
    found = [model.evaluate(X, y, verbose=0) for y in (Y, Y[:, np.newaxis], ONE_HOT)]
    dataset = tf.data.Dataset.from_tensor_slices((X, ONE_HOT)).batch(32)
    found.append(model.evaluate(dataset, verbose=0))
    assert found[0] == found[1] == found[2] == found[3]
    whole = model.evaluate(X, Y, batch_size=40, verbose=0)
    assert model.test_on_batch(X, ONE_HOT) == pytest.approx(whole)
    with pytest.raises(ValueError, match="evaluate: expected labels from 0 to 2, received 3"):
        model.evaluate(X, Y + 1, verbose=0)
    with pytest.raises(ValueError, match="test_on_batch: expected labels from 0 to 2"):
        model.test_on_batch(X, Y + 1)


def test_names_and_values_of_evaluate_pair_up():
    model = tiny()
    model.compile("adam", metrics=["mse"], weighted_metrics=[keras.metrics.AUC(name="auc")])
    paired = dict(zip(model.metrics_names, model.evaluate(X, Y, verbose=0), strict=True))
    assert paired == model.evaluate(X, Y, verbose=0, return_dict=True)
    right = (model.predict(X, verbose=0).argmax(1) == Y).mean()
    assert paired["accuracy"] == pytest.approx(right)
    assert paired["negative_elbo"] == pytest.approx(paired["reconstruction"] + paired["kl"])
    assert len(paired) == 8


def test_names_and_values_of_train_on_batch_pair_up():
    one, other = compiled(), compiled()
    logs = one.train_on_batch(X, ONE_HOT, return_dict=True)
    as_list = other.train_on_batch(X, Y)
    assert [logs[name] for name in one.metrics_names[: len(as_list)]] == as_list
    with pytest.raises(ValueError, match="train_on_batch: expected labels from 0 to 2"):
        one.train_on_batch(X, Y + 1)


@pytest.mark.slow
def test_the_early_stopping_of_the_guide_and_a_checkpoint_by_accuracy_need_no_mode(tmp_path):
    stop = keras.callbacks.EarlyStopping("val_accuracy", patience=3, restore_best_weights=True)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_accuracy", save_best_only=True
    )
    plateau = keras.callbacks.ReduceLROnPlateau("accuracy")
    model = compiled(ccl.JointVAE)
    record = model.fit(
        X, Y, validation_split=0.5, epochs=5, callbacks=[stop, best, plateau], verbose=0
    )
    assert stop.monitor_op is best.monitor_op is plateau.monitor_op is keras.ops.greater
    assert best.best == max(record.history["val_accuracy"])
    loaded = ccl.load_model(tmp_path / "best.keras")
    found = loaded.evaluate(X[20:], Y[20:], verbose=0, return_dict=True)
    assert found["accuracy"] == pytest.approx(best.best)


def test_a_loss_that_is_not_finite_ends_fit_with_the_model_of_the_epoch_before():
    model = compiled(ccl.JointVAE)
    model.optimizer.learning_rate = 1e30
    before = weights_of(model.encoder)
    with pytest.raises(FloatingPointError, match="task 1, epoch 1, step 2: the loss is nan"):
        model.fit(X, Y, batch_size=20, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert same_weights(before, weights_of(model.encoder)) and int(model.tasks_seen) == 0


WEIGHT = np.linspace(0, 2, 40).astype("float32")


@pytest.mark.parametrize("seen", [0, 1])
def test_rows_weigh_in_the_bound_as_in_keras(seen):
    """The sum over rows of weight times term, over the number of rows; generated rows weigh 1."""
    model = tiny(classification_at_mean=0.0, novelty_at_reconstruction=0.0)
    model.compile(keras.optimizers.SGD(0.0))
    model.tasks_seen.assign(seen)
    logs = model.train_on_batch(X, Y, sample_weight=WEIGHT, return_dict=True)
    model.make_train_function()
    model.noise.assign_add([0, -1 - seen])  # the noise of that step
    batch = model.training_rows(tf.constant(X), tf.one_hot(Y, 3))
    found = model.infer(batch.x, model.next_seed())
    share = np.concatenate([WEIGHT / 40, np.ones(40 * seen) / 40]) / (1 + seen)
    for name, term in model.joint_terms(batch, found).items():
        assert logs[name] == pytest.approx(np.sum(share * term), rel=1e-4), name
    right = model.classify(found.z).logits_parameter().numpy()[:40].argmax(1) == Y
    assert logs["accuracy"] == pytest.approx(np.average(right, weights=WEIGHT))


def test_evaluate_weighs_rows_as_in_keras():
    model = compiled()
    each = [model.evaluate(X[i:j], Y[i:j], verbose=0) for i, j in ((0, 20), (20, 40))]
    weight = np.repeat([0.5, 3.0], 20)
    found = model.evaluate(X, Y, batch_size=20, sample_weight=weight, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx((0.5 * each[0][0] + 3 * each[1][0]) / 2)
    place = model.metrics_names.index("accuracy")
    expected = (0.5 * each[0][place] + 3 * each[1][place]) / 3.5
    assert found["accuracy"] == pytest.approx(expected)
    assert model.test_on_batch(X, Y, weight, return_dict=True)["accuracy"] == found["accuracy"]


@pytest.mark.slow
@pytest.mark.parametrize("word", slow_but(["fit", "fit_tasks", "train_on_batch"], ("fit",)))
def test_class_weights_are_sample_weights_by_class(word):
    """With integers and one-hot rows; a class that is not named weighs 1."""
    by_class, each = {0: 2.0, 2: 0.5}, np.array([2.0, 1.0, 0.5])[Y]
    one, other = compiled(ccl.JointVAE), compiled(ccl.JointVAE)
    if word == "fit":
        one.fit(X, ONE_HOT, class_weight=by_class, verbose=0)
        other.fit(X, Y, sample_weight=each, verbose=0)
    elif word == "fit_tasks":
        one.fit_tasks([(X, Y)], class_weight=by_class, epochs=1, verbose=0)
        other.fit_tasks([(X, Y, each)], epochs=1, verbose=0)
    else:
        one.train_on_batch(X, ONE_HOT, class_weight=by_class)
        other.train_on_batch(X, Y, each)
    assert same_weights(weights_of(one), weights_of(other))
    plain = compiled(ccl.JointVAE)
    plain.fit(X, Y, verbose=0)
    assert not same_weights(weights_of(plain.encoder), weights_of(one.encoder))


@pytest.mark.slow
def test_the_seed_of_keras_makes_runs_repeat_and_draws_anew_each_time():
    def learnt():
        networks = dict.fromkeys(("encoder", "decoder", "classifier"))
        model = tiny(seed=None, replay="mixed", **networks)
        model.fit_tasks([(X, Y), (X, Y)], epochs=1, batch_size=20, verbose=0)
        return weights_of(model)

    keras.utils.set_random_seed(7)
    first, second = learnt(), learnt()
    keras.utils.set_random_seed(7)
    assert same_weights(first, learnt())
    assert not same_weights(first, second)
