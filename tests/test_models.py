"""What every model says of x, y and z, and what a step changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl

MODELS = [ccl.JointVAE, ccl.CCLGM]
X, Y = rows(30)


def teach():
    """A CCLGM that has learnt one task."""
    model = tiny()
    model.fit_tasks([(X, Y)], epochs=2, verbose=0, batch_size=15)
    return model


@pytest.fixture(scope="module")
def taught():
    """For tests that only read it."""
    return teach()


@pytest.mark.parametrize("cls", MODELS)
def test_predict_gives_the_same_probabilities_each_time(cls):
    model = tiny(cls)
    first = model.predict(X, verbose=0)
    np.testing.assert_allclose(first.sum(1), np.ones(30), rtol=1e-5)
    np.testing.assert_array_equal(first, model.predict(X, verbose=0))
    np.testing.assert_allclose(first[:7], model.predict(X[:7], verbose=0), rtol=1e-5)


def test_predict_is_the_classifier_at_the_posterior_mean():
    model = tiny()
    mean = model.encoder(X)[:, :2]
    np.testing.assert_allclose(
        model.predict(X, verbose=0), tf.nn.softmax(model.classifier(mean)), rtol=1e-5
    )


@pytest.mark.parametrize("cls", MODELS)
def test_generate_draws_rows_in_range_and_repeats_with_a_seed(cls):
    model = tiny(cls)
    x, y = model.generate(9, seed=3)
    assert x.shape == (9, 6) and y.shape == (9, 3)
    assert x.min() >= 0 and x.max() <= 1
    np.testing.assert_allclose(y.sum(1), np.ones(9), rtol=1e-5)
    np.testing.assert_array_equal(x, model.generate(9, seed=3)[0])
    assert not np.array_equal(model.generate(9)[0], model.generate(9)[0])


def test_reconstruct_and_elbo_keep_the_rows_apart():
    model = tiny()
    np.testing.assert_allclose(model.reconstruct(X)[3:4], model.reconstruct(X[3:4]), rtol=1e-5)
    assert model.elbo(X).shape == (30,) and model.reconstruct(X).shape == X.shape
    np.testing.assert_array_equal(model.elbo(X), model.elbo(X))
    np.testing.assert_allclose(model.elbo(X, batch_size=30), model.elbo(X), rtol=1e-5)


def test_elbo_is_reconstruction_less_kl_by_hand():
    model = tiny(ccl.JointVAE)
    means, log_var = np.split(model.encoder(X[:1]).numpy(), 2, axis=1)
    log_var = 12 * np.tanh(log_var / 12)
    z = model.infer(X[:1], (0, 1)).z.numpy()
    p = 1 / (1 + np.exp(-model.decoder(z).numpy()))
    log_p_x = (X[:1] * np.log(p) + (1 - X[:1]) * np.log(1 - p)).sum()
    kl = 0.5 * (np.exp(log_var) + means**2 - 1 - log_var).sum()
    np.testing.assert_allclose(model.elbo(X[:1]), [log_p_x - kl], rtol=1e-4)


@pytest.mark.graph
@pytest.mark.slow
def test_elbo_tells_familiar_rows_from_unfamiliar_ones():
    rng = np.random.default_rng(0)
    learnt = (rng.uniform(size=(600, 6)) < [0.9, 0.9, 0.9, 0.1, 0.1, 0.1]).astype("float32")
    model = tiny()
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit_tasks([(learnt, np.arange(600) % 3)], epochs=30, batch_size=32, verbose=0)
    assert model.elbo(learnt).mean() > model.elbo(1 - learnt).mean() + 3


def test_elbo_refuses_another_shape():
    with pytest.raises(ValueError, match=r"x is \(5,\), the model expects \(6,\)"):
        tiny().elbo(X[:, :5])


@pytest.mark.graph
def test_training_raises_the_bound():
    model = tiny(ccl.JointVAE)
    history = model.fit_tasks([(X, Y)], epochs=30, batch_size=8, verbose=0)
    loss = history.epochs[0]["loss"]
    assert loss[-1] < loss[0] - 1


def test_the_teacher_does_not_move_in_a_step_and_the_student_does():
    taught = teach()
    teacher, student = weights_of(taught.teacher), weights_of(taught.encoder)
    taught.train_on_batch(X, Y)
    assert same_weights(teacher, weights_of(taught.teacher))
    assert not same_weights(student, weights_of(taught.encoder))


def test_the_teacher_is_frozen(taught):
    teachers = {id(v) for v in taught.teacher.variables}
    assert not teachers & {id(v) for v in taught.trainable_variables}
    assert taught.teacher.trainable_variables == []


def test_after_a_task_the_teacher_equals_the_student(taught):
    for part in ("encoder", "decoder", "classifier", "p_z"):
        mine, its = getattr(taught, part), getattr(taught.teacher, part)
        assert same_weights(weights_of(mine), weights_of(its))
    x, _ = taught.generate(5, seed=1)
    np.testing.assert_array_equal(x, taught.teacher.generate(5, seed=1)[0])


def test_distillation_starts_at_zero_with_a_new_task(taught):
    taught.make_train_function()
    batch = taught.training_rows(tf.constant(X), tf.one_hot(Y, 3))
    means = taught.mean_terms(batch, taught.infer(batch.x, (1, 2)))
    assert float(means["distillation"]) == pytest.approx(0, abs=1e-5)
    assert batch.x.shape[0] == 60


def test_without_a_teacher_no_row_is_generated():
    model = tiny()
    model.make_train_function()
    assert model.training_rows(tf.constant(X), tf.one_hot(Y, 3)).x.shape[0] == 30


def test_image_and_label_of_a_generated_row_come_from_one_z(taught):
    rows_ = taught.draw(50, tf.constant([1, 2]), labels="soft")
    np.testing.assert_allclose(rows_.x, taught.decode(rows_.z).mean(), rtol=1e-5)
    np.testing.assert_allclose(rows_.y, tf.nn.softmax(taught.classifier(rows_.z)), rtol=1e-4)
    again = taught.draw(50, tf.constant([1, 2]), labels="reencoded")
    np.testing.assert_array_equal(again.x, rows_.x)
    np.testing.assert_allclose(again.y, taught.predict(rows_.x.numpy(), verbose=0), rtol=1e-4)


def test_a_sampled_input_comes_from_the_same_p_of_x(taught):
    seed = tf.constant([1, 2])
    mean, sample = (taught.draw(20_000, seed, inputs=kind) for kind in ("mean", "sample"))
    np.testing.assert_array_equal(sample.z, mean.z)
    assert set(np.unique(sample.x)) == {0.0, 1.0}
    for pixel, drawn in zip(mean.x.numpy().T, sample.x.numpy().T, strict=True):
        bright = pixel > np.median(pixel)
        assert pixel[bright].mean() - pixel[~bright].mean() > 0.06
        for part in (bright, ~bright):  # as bright as its own mean, not only on the whole
            assert drawn[part].mean() == pytest.approx(pixel[part].mean(), abs=0.02)
    np.testing.assert_allclose(sample.q.mean(), taught.encode(sample.x).mean(), rtol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_novelty_is_judged_on_the_reconstruction(share):
    """By hand, at the posterior mean alone, with x~ the mean of p(x|z)."""
    model = tiny(
        novelty_at_reconstruction=share,
        classification_at_mean=1.0,
        replay_inputs="mean",
        memory=None,
    )
    model.fit_tasks([(X, Y % 2)], epochs=1, batch_size=30, verbose=0)
    model.make_train_function()
    new = np.full(30, 2)
    batch = model.training_rows(tf.constant(X), tf.one_hot(new, 3))
    model.task_classes.assign([0, 0, 1])
    found = model.infer(batch.x, (1, 2))
    term = model.joint_terms(batch, found)["classification"].numpy()
    moved = model.method.novelty_moved(model, batch, found)
    term[:30] += moved
    logged = float(model.mean_terms(batch, found).get("novelty", 0.0))
    assert logged == pytest.approx(np.mean(moved) / 2, abs=1e-5)  # current rows weigh a half
    on_row, on_its_reconstruction = (
        -np.log(model.predict(x, verbose=0)[:, 2]) for x in (X, found.p_x.mean()[:30].numpy())
    )
    expected = (1 - share) * on_row + share * on_its_reconstruction  # one class: all is novelty
    np.testing.assert_allclose(term[:30], expected, rtol=1e-4)
    old = -(batch.y[30:] * np.log(model.predict(batch.x[30:].numpy(), verbose=0))).numpy().sum(1)
    np.testing.assert_allclose(term[30:], old, rtol=1e-4)


def test_where_a_task_has_every_class_the_share_of_novelty_changes_nothing(taught):
    taught.make_train_function()
    batch = taught.training_rows(tf.constant(X), tf.one_hot(Y, 3))
    found = taught.infer(batch.x, (1, 2))
    taught.task_classes.assign([1, 1, 1])
    np.testing.assert_array_equal(taught.method.novelty_moved(taught, batch, found), np.zeros(30))
    assert float(taught.mean_terms(batch, found)["novelty"]) == 0


def test_the_classes_of_a_task_are_those_met_in_it():
    model = tiny()
    x, y = X[:12], Y[:12]
    model.fit_tasks([(x, y), (x[y > 0], y[y > 0])], epochs=1, batch_size=4, verbose=0)
    np.testing.assert_array_equal(model.task_classes.numpy(), [0, 1, 1])


def test_two_steps_draw_different_generated_rows(taught):
    taught.make_train_function()
    first, second = (taught.training_rows(tf.constant(X), tf.one_hot(Y, 3)).x for _ in range(2))
    assert not np.array_equal(first[30:], second[30:])


def test_the_paper_preset_is_the_printed_bound():
    model = ccl.CCLGM.paper((6,), 3)
    assert model.term_weights() == {
        "reconstruction": 1.0,
        "kl": 1.0,
        "classification": 1.0,
        "distillation": 1.0,
    }
    assert (model.prior, model.replay) == ("normal", "mixed")
    assert model.classification_at_mean == model.novelty_at_reconstruction == 0
    assert (model.replay_inputs, model.replay_labels) == ("mean", "hard")
    assert ccl.CCLGM.paper((6,), 3, replay_labels="soft").replay_labels == "soft"


def test_evaluate_measures_the_accuracy_of_predict_and_the_negative_elbo():
    model = tiny()
    model.compile(optimizer="adam")
    measured = model.evaluate(X, Y, verbose=0, return_dict=True, batch_size=7)
    right = (model.predict(X, verbose=0).argmax(1) == Y).mean()
    assert measured["accuracy"] == pytest.approx(right)
    elbos = np.concatenate([model.elbo(X[i : i + 7]) for i in range(0, 30, 7)])
    assert measured["negative_elbo"] == pytest.approx(-elbos.mean(), rel=1e-4)


def test_mixed_precision_keeps_the_bound_in_float32():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        networks = ccl.networks
        model = ccl.CCLGM(
            (6,),
            3,
            latent_dim=2,
            encoder=networks.dense_encoder((6,), 2, units=(8,)),
            decoder=networks.dense_decoder((6,), 2, units=(8,)),
        )
        history = model.fit_tasks([(X, Y), (X, Y)], epochs=1, verbose=0)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert model.infer(tf.constant(X), (1, 2)).p_x.log_prob(X).dtype == tf.float32
    assert np.isfinite(history.epochs[1]["loss"]).all()
