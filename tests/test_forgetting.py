"""`forget`: what becomes of the class, of the others, and of the model after an error."""

import contextlib
import functools

import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.checkpointing.state import capture_state, restore_state
from keras_ccl.data.labels import LabelBook
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import as_split
from keras_ccl.export import serving
from keras_ccl.methods.mixing import generated_only
from keras_ccl.models import networks
from keras_ccl.models.rows import Generated, drawn_until

X, Y = rows(90)
NAMES = np.array(["cat", "dog", "eel"])[Y]
OF_DOG = X[Y == 1], Y[Y == 1]
BRIEFLY = {"generated": 60, "epochs": 1, "batch_size": 30, "verbose": 0}


def stream(y):
    """Two tasks, of the first two classes and of the third."""
    return [(X[Y < 2], y[Y < 2]), (X[Y == 2], y[Y == 2])]


def learnt(model, tasks=None):
    model.fit_tasks(tasks or stream(Y), epochs=1, batch_size=30, verbose=0)
    return model


@pytest.fixture(scope="module")
def taught():
    return learnt(tiny())


@pytest.fixture(scope="module")
def taught_names():
    return learnt(tiny(num_classes=None), stream(NAMES))


@contextlib.contextmanager
def put_back(model):
    """A context after which a model is what it was."""
    state, record, labels = capture_state(model), model.class_record(), model.labels
    yield model
    model.labels = labels
    restore_state(model, state)
    model.restore_classes(record)


@pytest.fixture
def model(taught):
    with put_back(taught):
        yield taught


@pytest.fixture
def named(taught_names):
    with put_back(taught_names):
        yield taught_names


def test_a_forgotten_class_has_no_probability_anywhere(model, tmp_path):
    model.forget(1, **BRIEFLY)
    shares = model.predict(X, verbose=0)
    assert not shares[:, 1].any() and np.allclose(shares.sum(1), 1)
    assert model.learnt_classes == {0, 2} and model.forgotten == {1}
    assert int(model.tasks_seen.numpy()) == 2
    _, y = model.generate(50, seed=0)
    assert not y[:, 1].any()
    with pytest.raises(ValueError, match=r"rows of \[1\], which it has forgotten"):
        model.calibrate((X, Y))
    sure = model.calibrate((X[Y == 2], Y[Y == 2]))
    found = serving.classifier(model, sure.temperature).function(X)
    assert not found["probabilities"].numpy()[:, 1].any()
    assert not found["calibrated_probabilities"].numpy()[:, 1].any()
    z = np.random.default_rng(0).normal(0, 3, (50, 2)).astype("float32")
    assert not serving.decoder(model).function(z)["probabilities"].numpy()[:, 1].any()
    model.save(tmp_path / "m.keras")
    again = ccl.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), shares)
    assert again.class_record() == model.class_record() and again.calibration == sure
    assert not again.identify(X).probabilities[:, 1].any()
    again.begin_task(ReadyTask(3, "", as_split((X, Y), again.data_spec, "", batch_size=9)))
    assert again.forgotten == frozenset() and again.returning == {1}
    assert 1 not in again.method.old_rows(again, 50)[1]  # of it the teacher knows nothing


def test_the_teacher_is_the_new_student_and_no_old_weight_stays(model):
    slots = ("encoder", "decoder", "classifier")
    old = [weights_of(getattr(model, slot)) for slot in slots]
    model.forget(1, **BRIEFLY)
    for slot, before in zip(slots, old, strict=True):
        own, of_teacher = (weights_of(getattr(part, slot)) for part in (model, model.teacher))
        assert same_weights(own, of_teacher)
        fresh = weights_of(networks.copy(getattr(model, slot)))
        near, far = (sum(np.abs(a - b).sum() for a, b in zip(own, others, strict=True))
                     for others in (fresh, before))  # fmt: skip
        assert near < far  # two steps from where weights begin
    for own, of_teacher in zip(model.p_z.weights, model.teacher.p_z.weights, strict=True):
        np.testing.assert_array_equal(own, of_teacher)
    assert model.teacher.forgotten == {1} and model.method.variant is True


def test_the_teacher_draws_nothing_of_the_class(model):
    for weight in model.classifier.weights:
        weight.assign(50 * weight)  # sure of what is what
    seed = tf.constant([0, 7])
    as_ever, drawn = (model.draw(tf.constant(200), seed, without=part) for part in ((), {1}))
    of_z = [tf.nn.softmax(model.classifier(rows.z)).numpy()[:, 1] for rows in (as_ever, drawn)]
    assert of_z[0].max() > 0.5 > of_z[1].max()
    assert as_ever.y.numpy()[:, 1].any() and not drawn.y.numpy()[:, 1].any()
    first = as_ever.z.numpy()[of_z[0] < 0.5]
    np.testing.assert_array_equal(drawn.z.numpy()[0], first[0])


def test_samples_are_drawn_until_there_are_enough_that_are_wanted():
    draw, seed = functools.partial(tf.random.stateless_normal, [50, 2]), tf.constant([0, 1])
    found = drawn_until(draw, lambda z: z[:, 0] > 1, seed).numpy()
    assert (found[:, 0] > 1).all() and len(np.unique(found[:, 0])) == 50
    same = lambda _: tf.constant([[1.0], [-1.0]])  # noqa: E731
    assert drawn_until(same, lambda z: z[:, 0] > 0, seed).numpy().tolist() == [[1], [1]]
    assert np.isnan(drawn_until(same, lambda z: z[:, 0] > 1, seed)).all()


def test_without_its_rows_the_memory_is_given_up_for_good(model):
    memory = model.feature_memory
    assert memory.answering_parts()
    model.forget(1, **BRIEFLY)
    kept = [*memory.feature_sums.weights, *memory.linear.weights]
    assert not any(np.any(weight) for weight in kept) and not memory.answering_parts()
    learnt(model, [(X[Y == 2], Y[Y == 2])])
    assert not memory.answering_parts() and not memory.counts.numpy().any()


def test_with_its_rows_the_memory_is_that_of_the_others(model):
    memory = model.feature_memory
    model.forget(1, rows=OF_DOG, **BRIEFLY)
    features = np.asarray(memory._featurize(X[Y != 1]), np.float64)
    about = features - memory.feature_sums.offset.numpy()
    found = memory.feature_sums.moments()
    np.testing.assert_allclose(found.products, about.T @ about, atol=1e-4)
    np.testing.assert_allclose(found.counts, [30, 0, 30])
    for k in (0, 2):
        np.testing.assert_allclose(found.sums[k], about[Y[Y != 1] == k].sum(0), atol=1e-4)
    np.testing.assert_allclose(about.sum(0), 0, atol=1e-4)
    assert memory.answering_parts()


def test_a_head_that_forgets_is_one_that_never_saw_the_class():
    heads = [ccl.StreamingLDA((6,), 3, likelihood="bernoulli", seed=0) for _ in range(2)]
    heads[0].fit_tasks(stream(Y), verbose=0)
    heads[1].fit_tasks([(X[Y == 0], Y[Y == 0]), (X[Y == 2], Y[Y == 2])], verbose=0)
    with pytest.raises(TypeError, match="closed-form head x in .* and all rows"):
        heads[0].forget(1)
    heads[0].forget(1, rows=OF_DOG)
    answers = [head.predict(X, verbose=0) for head in heads]
    np.testing.assert_allclose(*answers, atol=1e-4)
    assert not answers[0][:, 1].any() and heads[0].learnt_classes == {0, 2}


@pytest.mark.slow
def test_gaussians_that_forget_are_those_of_the_others():
    of_gaussians = {"likelihood": "gaussian", "memory": "gaussians", "seed": 0}
    model, beside = (tiny(**of_gaussians) for _ in range(2))
    learnt(model)
    learnt(beside, [(X[Y == 0], Y[Y == 0]), (X[Y == 2], Y[Y == 2])])
    model.forget(1, **BRIEFLY)
    assert not model.predict(X, verbose=0)[:, 1].any()
    memories = model.feature_memory, beside.feature_memory
    for name in ("counts", "means"):
        pair = [getattr(memory.gaussians, name).numpy() for memory in memories]
        np.testing.assert_allclose(*pair, rtol=1e-4, atol=1e-5)
    # All directions of six values are kept, so that the products are those of the rows.
    found = [memory.feature_sums.moments() for memory in memories]
    scatters = [m.products - m.counts.sum() * np.outer(m.centre, m.centre) for m in found]
    np.testing.assert_allclose(*scatters, rtol=1e-3, atol=1e-3)


def test_a_name_that_was_learnt_is_forgotten_too(named):
    named.forget("dog", rows=(X[Y == 1], NAMES[Y == 1]), **BRIEFLY)
    assert named.class_names == ("cat", "forgotten 1", "eel")
    with pytest.raises(ValueError, match="received 'dog'"):
        named.forget("dog")


def test_names_go_where_nobody_told_them_beforehand():
    assert LabelBook.open_with([5, 7]).without([1]).names == (5, -2)
    twice = LabelBook.open_with(["a", "b", "c"]).without([1]).without([0])
    assert twice.names == ("forgotten 2", "forgotten 1", "c")
    assert LabelBook.for_model(None, ["a", "b"]).without([1]).names == ("a", "b")


@pytest.mark.slow
def test_where_every_task_has_every_class_the_others_are_all_there_is():
    model = learnt(tiny(), [(X, Y)])
    model.forget([0], **BRIEFLY)
    assert not model.memory_size and not model.predict(X, verbose=0)[:, 0].any()
    others = as_split((X[Y > 0], Y[Y > 0]), model.data_spec, "", batch_size=9)
    assert not model.lacks_classes(ReadyTask(2, "", others))


def test_rows_of_a_step_are_generated_alone():
    drawn = Generated(np.zeros((5, 2)), np.zeros((5, 6)), np.eye(5)[:, :3], "q")
    found = generated_only(drawn)
    assert found.q_teacher == "q" and int(found.current) == 5
    assert not np.any(found.x) and float(np.sum(found.weight)) == pytest.approx(1)
