"""Methods as parts: LwF and SI against closed forms and vae-cl, and what holds for every method."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import ROOT, rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.bounds import objectives
from keras_ccl.methods import LearningWithoutForgetting, SynapticIntelligence

PARTS = ("encoder", "decoder", "classifier", "p_z")
WITH_WEIGHT_0 = {
    "lwf": lambda: LearningWithoutForgetting(soft_label_weight=0.0),
    "si": lambda: SynapticIntelligence(penalty_weight=0.0),
}
TASKS = [rows(30, seed=k) for k in range(3)]
every_method = pytest.mark.parametrize("name", slow_but(ccl.methods.METHODS, ("ccl-gm",), ("si",)))


@pytest.mark.parametrize("name", slow_but(WITH_WEIGHT_0, ("si",)))
def test_with_weight_0_it_is_vae_cl_bit_for_bit(name):
    models = tiny(ccl.JointVAE, method=WITH_WEIGHT_0[name]()), tiny(ccl.JointVAE)
    for model in models:
        model.fit_tasks(TASKS[:2], epochs=2, batch_size=30, verbose=0)
    for part in PARTS:
        assert same_weights(*(weights_of(getattr(model, part)) for model in models))


@pytest.mark.slow
@every_method
def test_every_method_is_saved_and_goes_on_as_if_it_had_not_stopped(name, tmp_path):
    def new():
        return tiny(ccl.methods.METHODS[name])

    whole, stopped = new(), new()
    whole.fit_tasks(TASKS, epochs=1, batch_size=30, verbose=0)
    stopped.fit_tasks(TASKS[:2], epochs=1, batch_size=30, verbose=0)
    stopped.save(tmp_path / "model.keras")
    loaded = ccl.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(stopped) and loaded.options() == stopped.options()
    loaded.fit_tasks(TASKS[2:], epochs=1, batch_size=30, verbose=0)
    assert same_weights(weights_of(whole), weights_of(loaded))


@every_method
def test_the_terms_of_every_method_are_logged_and_add_up_to_the_loss(name):
    model = tiny(ccl.methods.METHODS[name])
    tasks = [(x, y % 2) if k == 0 else (x, y) for k, (x, y) in enumerate(TASKS[:2])]
    history = model.fit_tasks(tasks, epochs=2, batch_size=16, verbose=0)
    weights = model.term_weights()
    for record in history.epochs:
        total = sum(weights[term] * np.array(record[term]) for term in weights)
        np.testing.assert_allclose(record["loss"], total, rtol=1e-4)


def test_the_options_of_a_method_are_those_of_the_model_that_it_is_attached_to():
    model = ccl.methods.METHODS["si"]((6,), 3, latent_dim=2, penalty_weight=7.0)
    assert model.penalty_weight == 7.0 and model.options()["damping"] == 0.1
    assert model.method_name == "SynapticIntelligence"
    with pytest.raises(AttributeError, match="'JointVAE' object has no attribute 'teacher'"):
        _ = model.teacher


def test_a_method_belongs_to_one_model():
    method = SynapticIntelligence()
    tiny(ccl.JointVAE, method=method)
    with pytest.raises(ValueError, match="method: expected one that no other model has"):
        tiny(ccl.JointVAE, method=method)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (LearningWithoutForgetting, {"temperature": 0}, "temperature: expected a finite number"),
        (LearningWithoutForgetting, {"soft_label_weight": -1}, "soft_label_weight: expected"),
        (SynapticIntelligence, {"damping": 0.0}, "damping: expected a finite number > 0"),
        (SynapticIntelligence, {"penalty_weight": -1.0}, "penalty_weight: expected a finite"),
    ],
)
def test_bad_options_of_a_method_are_refused(method, options, message):
    with pytest.raises(ValueError, match=message):
        method(**options)


def test_the_method_in_contributing_is_learnt_saved_and_loaded(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    names = {"ccl": ccl, "keras": keras, "tf": tf}
    exec(code, names)
    assert names["model"].penalty_weight == 0.1
    model = tiny(ccl.JointVAE, method=names["StayNear"](penalty_weight=2.0))
    history = model.fit_tasks(TASKS[:2], epochs=1, batch_size=10, verbose=0)
    assert history.epochs[0]["moved"] == [0.0] and history.epochs[1]["moved"][0] > 0
    model.save(tmp_path / "model.keras")
    loaded = ccl.load_model(tmp_path / "model.keras")
    assert loaded.options()["penalty_weight"] == 2.0
    assert same_weights(weights_of(model), weights_of(loaded))


# LwF


def test_soft_labels_by_hand():
    teacher, student = tf.math.log([[0.5, 0.25, 0.25]]), tf.math.log([[0.1, 0.6, 0.3]])
    p, q = np.sqrt([0.5, 0.25]), np.sqrt([0.1, 0.6])  # temperature 2, among the first two classes
    p, q = p / p.sum(), q / q.sum()
    expected = 4 * np.sum(p * np.log(p / q))
    found = objectives.soft_label_kl(teacher, student, tf.constant([1.0, 1.0, 0.0]), 2.0)
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_the_teacher_of_lwf_is_the_last_student_and_knows_its_classes():
    model = tiny(ccl.JointVAE, method=LearningWithoutForgetting())
    x, y = rows(40)
    model.fit_tasks([(x, y % 2)], epochs=1, verbose=0)
    for part in PARTS:
        assert same_weights(*(weights_of(getattr(m, part)) for m in (model, model.teacher)))
    np.testing.assert_array_equal(model.method.known.numpy(), [1, 1, 0])
    model.make_train_function()
    batch = model.training_rows(tf.constant(x), tf.one_hot(y, 3))
    means = model.mean_terms(batch, model.infer(batch.x, (1, 2)))
    assert float(means["soft_labels"]) == pytest.approx(0, abs=1e-6)  # it starts where it was
    assert int(batch.current) == len(batch.x) == 40  # no row is generated


@pytest.mark.graph
@pytest.mark.slow
def test_lwf_keeps_the_old_outputs_on_current_rows():
    """The labels of task 2 say the opposite of task 1's: vae-cl gives in, LwF holds on."""
    x, _ = rows(100)
    y = (x[:, 0] > 0.5).astype("int32")
    agree = []
    for weight in (0.0, 3000.0):
        model = tiny(ccl.JointVAE, method=LearningWithoutForgetting(soft_label_weight=weight))
        model.compile(keras.optimizers.Adam(3e-2))
        model.fit_tasks([(x, y), (x, 1 - y)], epochs=40, batch_size=20, verbose=0)
        agree.append((model.predict(x, verbose=0).argmax(1) == y).mean())
    assert agree[0] < 0.2 and agree[1] > 0.8


# SI


@pytest.mark.graph
@pytest.mark.slow
def test_the_path_integral_adds_up_to_the_fall_of_the_loss():
    """Of many small steps of plain gradient descent on one batch, without noise in the loss."""
    x, y = rows(30)
    model = tiny(ccl.JointVAE, method=SynapticIntelligence(penalty_weight=1.0))

    class Same(type(model)):
        def next_seed(self):
            return tf.constant([1, 2])

    model.__class__ = Same
    model.compile(keras.optimizers.SGD(1e-5))
    model.begin_task(a_task(model))
    losses = []
    for _ in range(200):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(x, y, return_dict=True)["loss"]))
    integral = sum(float(tf.reduce_sum(part)) for part in model.method.integral)
    assert integral == pytest.approx(losses[0] - losses[-1], rel=0.05)


def test_importance_by_hand():
    model = tiny(ccl.JointVAE, method=SynapticIntelligence(damping=0.5))
    model.begin_task(a_task(model))
    method, variable = model.method, model.trainable_variables[0]
    start = np.array(variable)
    variable.assign(start + 2.0)
    method.integral[0].assign(np.full(start.shape, 9.0))
    method.integral[1].assign(np.full(method.integral[1].shape, -9.0))
    method.end_task(model, None)
    np.testing.assert_allclose(method.omega[0], np.full(start.shape, 9.0 / (4.0 + 0.5)), rtol=1e-5)
    np.testing.assert_array_equal(method.omega[1], np.zeros(method.omega[1].shape))
    model.begin_task(a_task(model))
    np.testing.assert_array_equal(method.anchor[0], variable)
    np.testing.assert_array_equal(method.integral[0], np.zeros(start.shape))


def test_the_path_leaves_out_the_gradient_of_the_penalty():
    """With an anchor far away the penalty pulls hard, and yet the path is that of the bound."""
    x, y = rows(30)
    paths = []
    for weight in (0.0, 5.0):
        model = tiny(ccl.JointVAE, method=SynapticIntelligence(penalty_weight=weight))
        model.compile(keras.optimizers.SGD(0.0))
        model.begin_task(a_task(model))
        for k, variable in enumerate(model.trainable_variables):
            model.method.omega[k].assign(tf.ones_like(variable))
            model.method.anchor[k].assign(variable + 1.0)
            model.method.before[k].assign(variable)
        model.optimizer.learning_rate = 0.0

        class Moved(type(model)):
            def infer(self, x, seed, training=False):
                return super().infer(x, tf.constant([3, 4]), training)

        model.__class__ = Moved
        gradients = gradients_of(model, x, y)
        for variable in model.trainable_variables:
            variable.assign_add(0.1 * tf.ones_like(variable))
        model.method.after_step(model, gradients, tf.constant(1.0))
        paths.append([np.array(p) for p in model.method.integral])
    for one, other in zip(*paths, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def a_task(model):
    return ccl.data.ready_tasks.CheckedTask(ccl.Task(rows(30)), 1, model.data_spec).ready()


def gradients_of(model, x, y):
    batch = model.training_rows(tf.constant(x), tf.one_hot(y, 3))
    model._method_is_active = True
    with tf.GradientTape() as tape:
        means = model.mean_terms(batch, model.infer(batch.x, tf.constant([3, 4]), training=True))
        loss = objectives.total(means, model.term_weights())
    return tape.gradient(loss, model.trainable_variables)


@pytest.mark.graph
@pytest.mark.slow
def test_a_large_weight_holds_the_student_where_it_was():
    x, y = rows(60)
    moved = []
    for weight in (0.0, 1e6):
        model = tiny(ccl.JointVAE, method=SynapticIntelligence(penalty_weight=weight))
        model.fit_tasks([(x, y)], epochs=3, batch_size=16, verbose=0)
        omega, anchor = (
            np.concatenate([np.ravel(w) for w in kept])
            for kept in (model.method.omega, model.method.anchor)
        )
        model.fit_tasks([(1 - x, y)], epochs=3, batch_size=8, verbose=0)
        there = np.concatenate([np.ravel(v) for v in model.trainable_variables])
        moved.append(np.sum(omega * np.square(there - anchor)))
    assert moved[1] < 0.5 * moved[0]
