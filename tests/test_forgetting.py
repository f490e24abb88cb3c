"""`forget`: what becomes of the class, of the others, and of the model after an error."""

import keras
import numpy as np
import pytest
from checks import rows, same_weights, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.export import serving
from keras_ccl.methods.mixing import generated_only
from keras_ccl.training import forget as forgetting

Y = rows(90)[1]
CENTRES = np.random.default_rng(1).uniform(0.1, 0.9, (3, 6))
NOISE = np.random.default_rng(2).normal(0, 0.05, (90, 6))
X = np.clip(CENTRES[Y] + NOISE, 0, 1).astype("float32")
NAMES = np.array(["cat", "dog", "eel"])[Y]
BRIEFLY = {"generated": 200, "epochs": 12, "batch_size": 20, "verbose": 0}


def stream(y):
    """Two tasks, of the first two classes and of the third."""
    return [(X[Y < 2], y[Y < 2]), (X[Y == 2], y[Y == 2])]


def learnt(model, tasks=None):
    model.compile(keras.optimizers.Adam(2e-2))
    model.fit_tasks(tasks or stream(Y), epochs=15, batch_size=10, verbose=0)
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Models that have learnt two tasks, in files: of numbers, and of names that came with tasks."""
    folder = tmp_path_factory.mktemp("forgetting")
    for name, model, y in (("numbers", tiny(), Y), ("names", tiny(num_classes=None), NAMES)):
        learnt(model, stream(y)).save(folder / f"{name}.keras")
    return folder


@pytest.fixture
def model(saved):
    return ccl.load_model(saved / "numbers.keras")


@pytest.fixture
def named(saved):
    return ccl.load_model(saved / "names.keras")


def accuracy_on(model, y, classes):
    part = np.isin(y, classes)
    names = np.array(model.class_names)[model.predict(X[part], verbose=0).argmax(1)]
    return (names == y[part]).mean()


def test_a_forgotten_class_has_no_probability_and_the_others_are_known(model, tmp_path):
    before = weights_of(model)
    model.forget(1, rows=(X[Y == 1], Y[Y == 1]), **BRIEFLY)
    shares = model.predict(X, verbose=0)
    assert not shares[:, 1].any() and np.allclose(shares.sum(1), 1)
    assert accuracy_on(model, Y, [0, 2]) > 0.95 and accuracy_on(model, Y, [1]) == 0
    assert model.learnt_classes == {0, 2} and model.forgotten == {1}
    assert int(model.tasks_seen.numpy()) == 2 and not same_weights(before, weights_of(model))
    _, y = model.generate(500, seed=0)
    assert not y[:, 1].any() and set(y.argmax(1)) == {0, 2}
    sure = model.calibrate((X[Y == 2], Y[Y == 2]))
    model.save(tmp_path / "m.keras")
    again = ccl.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), shares)
    assert again.forgotten == {1} and again.calibration == sure
    assert not again.identify(X).probabilities[:, 1].any()


def test_an_artefact_never_names_it(model):
    model.forget([1], **BRIEFLY)
    model.calibrate((X[Y == 2], Y[Y == 2]))
    answers = serving.classifier(model, model.calibration.temperature).function(X)
    assert not answers["probabilities"].numpy()[:, 1].any()
    assert not answers["calibrated_probabilities"].numpy()[:, 1].any()
    z = np.random.default_rng(0).normal(0, 3, (50, 2)).astype("float32")
    assert not serving.decoder(model).function(z)["probabilities"].numpy()[:, 1].any()


def test_the_teacher_is_the_new_student_and_no_old_weight_stays(model):
    old = {id(weight): np.array(weight) for weight in model.weights}
    model.forget(1, **BRIEFLY)
    for slot in ("encoder", "decoder", "classifier"):
        pair = [weights_of(getattr(part, slot)) for part in (model, model.teacher)]
        assert same_weights(*pair)
        for weight in getattr(model, slot).weights:
            assert not np.array_equal(old[id(weight)], weight)
    for own, of_teacher in zip(model.p_z.weights, model.teacher.p_z.weights, strict=True):
        np.testing.assert_array_equal(own, of_teacher)
    assert model.teacher.forgotten == {1} and model.method.variant is True


def test_without_its_rows_the_memory_is_given_up_for_good(model):
    assert model.feature_memory.answering_parts()
    model.forget(1, **BRIEFLY)
    memory = model.feature_memory
    kept = [*memory.feature_sums.weights, *memory.linear.weights]
    assert not any(np.any(weight) for weight in kept) and not memory.answering_parts()
    assert accuracy_on(model, Y, [0, 2]) > 0.95
    model.fit_tasks([(X[Y == 2], Y[Y == 2])], epochs=1, verbose=0)
    assert not memory.answering_parts() and not memory.counts.numpy().any()


def test_with_its_rows_the_memory_is_that_of_the_others(model):
    memory = model.feature_memory
    others = X[Y != 1], Y[Y != 1]
    model.forget(1, rows=(X[Y == 1], Y[Y == 1]), **BRIEFLY)
    features = np.asarray(memory._featurize(others[0]), np.float64)
    about = features - memory.feature_sums.offset.numpy()
    found = memory.feature_sums.moments()
    np.testing.assert_allclose(found.products, about.T @ about, atol=1e-4)
    np.testing.assert_allclose(found.counts, [30, 0, 30])
    for k in (0, 2):
        np.testing.assert_allclose(found.sums[k], about[others[1] == k].sum(0), atol=1e-4)
    np.testing.assert_allclose(about.sum(0), 0, atol=1e-4)


def test_a_head_that_forgets_is_one_that_never_saw_the_class():
    heads = [ccl.RandomFeatureRidge((6,), 3, likelihood="bernoulli", features="fourier",
                                    feature_count=20, seed=0) for _ in range(2)]  # fmt: skip
    heads[0].fit_tasks(stream(Y), verbose=0)
    heads[1].fit_tasks([(X[Y == 0], Y[Y == 0]), (X[Y == 2], Y[Y == 2])], verbose=0)
    with pytest.raises(TypeError, match="closed-form head x in .* and all rows"):
        heads[0].forget(1)
    heads[0].forget(1, rows=(X[Y == 1], Y[Y == 1]))
    answers = [head.predict(X, verbose=0) for head in heads]
    np.testing.assert_allclose(*answers, atol=2e-3)
    assert not answers[0][:, 1].any() and heads[0].learnt_classes == {0, 2}


def test_gaussians_that_forget_are_those_of_the_others():
    of_gaussians = {"likelihood": "gaussian", "memory": "gaussians", "seed": 0}
    model, beside = (tiny(**of_gaussians) for _ in range(2))
    learnt(model)
    learnt(beside, [(X[Y == 0], Y[Y == 0]), (X[Y == 2], Y[Y == 2])])
    model.forget(1, **BRIEFLY)
    assert accuracy_on(model, Y, [0, 2]) > 0.95 and accuracy_on(model, Y, [1]) == 0
    memories = model.feature_memory, beside.feature_memory
    for name in ("counts", "means", "heaviness"):
        pair = [getattr(memory.gaussians, name).numpy() for memory in memories]
        np.testing.assert_allclose(*pair, rtol=1e-4, atol=1e-5)
    # All directions of six values are kept, so that the products are those of the rows.
    centred = [memory.feature_sums.moments() for memory in memories]
    scatters = [m.products - m.counts.sum() * np.outer(m.centre, m.centre) for m in centred]
    np.testing.assert_allclose(*scatters, rtol=1e-3, atol=1e-3)


def test_a_class_that_comes_again_is_learnt_anew(model):
    model.forget(1, rows=(X[Y == 1], Y[Y == 1]), **BRIEFLY)
    model.fit_tasks([(X[Y == 1], Y[Y == 1])], epochs=15, batch_size=10, verbose=0)
    assert model.forgotten == frozenset() and model.teacher.forgotten == frozenset()
    assert model.learnt_classes == {0, 1, 2}
    assert accuracy_on(model, Y, [0, 1, 2]) > 0.9
    model.fit_tasks([(X[Y == 0], Y[Y == 0])], epochs=2, batch_size=10, verbose=0)
    assert accuracy_on(model, Y, [1]) > 0.9  # the teacher that was traced before gave no such label


def test_a_name_that_was_learnt_is_forgotten_too(named):
    named.forget("dog", rows=(X[Y == 1], NAMES[Y == 1]), **BRIEFLY)
    assert named.class_names == ("cat", "forgotten 1", "eel")
    assert accuracy_on(named, NAMES, ["cat", "eel"]) > 0.95
    with pytest.raises(ValueError, match="received 'dog'"):
        named.forget("dog")
    named.fit_tasks([(X[Y == 1], NAMES[Y == 1])], epochs=15, batch_size=10, verbose=0)
    assert named.class_names == ("cat", "forgotten 1", "eel", "dog")
    assert accuracy_on(named, NAMES, ["cat", "dog", "eel"]) > 0.9
    book = ccl.models.LabelBook if hasattr(ccl, "models") else type(named.labels)
    assert book.open_with([5, 7]).without([1]).names == (5, -2)
    assert book.for_model(None, ["a", "b"]).without([1]).names == ("a", "b")


REFUSED = {
    "a class of which there is none": (dict(classes=3), ValueError, "received 3"),
    "a name where classes are numbers": (dict(classes="1"), ValueError, "received '1'"),
    "all classes": (dict(classes=[0, 1, 2]), ValueError, "received all"),
    "no class": (dict(classes=[]), ValueError, "received none"),
    "a fraction": (dict(classes=1.0), TypeError, "received float 1.0"),
    "a truth value": (dict(classes=[True]), TypeError, "received bool True"),
    "nothing": (dict(classes=None), TypeError, "received NoneType None"),
    "rows of another class": (dict(rows=(X, Y)), ValueError, r"of \[1\] alone, .* of \[0, 1, 2\]"),
    "some of the rows": (dict(rows=(X[Y == 1][1:], Y[Y == 1][1:])), ValueError, "all 30 rows"),
    "other rows": (dict(rows=(X[Y == 0], Y[Y == 1])), ValueError, "or others"),
    "no epoch": (dict(epochs=0), ValueError, "epochs: expected"),
    "no generated row": (dict(generated=0), ValueError, "generated: expected"),
    "an unknown display": (dict(verbose="loud"), ValueError, "verbose: expected"),
}


@pytest.fixture(scope="module")
def untouched(saved):
    return ccl.load_model(saved / "numbers.keras")


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(untouched, case):
    given, error, message = REFUSED[case]
    before, noise = weights_of(untouched), untouched.noise.numpy()
    with pytest.raises(error, match=message):
        untouched.forget(**{"classes": 1, **BRIEFLY, **given})
    assert same_weights(before, weights_of(untouched))
    assert untouched.forgotten == frozenset() and (untouched.noise.numpy() == noise).all()


def test_a_class_that_was_not_learnt_yet_is_refused():
    model = tiny()
    with pytest.raises(ValueError, match=r"expected some of those learnt, \[\], received 1"):
        model.forget(1)
    model.fit_tasks(stream(Y)[:1], epochs=1, verbose=0)
    with pytest.raises(ValueError, match=r"those learnt, \[0, 1\], received 2"):
        model.forget(2)


def test_a_task_that_has_not_ended_is_refused(model):
    class Forgets(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.forget(1)

    with pytest.raises(ValueError, match="between two tasks, received one within task 3"):
        model.fit_tasks([(X, Y)], epochs=1, callbacks=[Forgets()], verbose=0)


@pytest.mark.parametrize("method", ["ElasticWeightConsolidation", "LearningWithoutForgetting"])
def test_methods_that_generate_nothing_are_refused(method):
    model = tiny(ccl.JointVAE, method=getattr(ccl.methods, method)())
    model.fit_tasks(stream(Y), epochs=1, verbose=0)
    with pytest.raises(TypeError, match=f"GenerativeReplay, received {method}"):
        model.forget(1)


def test_after_an_error_the_model_is_what_it_was(model, monkeypatch):
    before, answers = weights_of(model), model.predict(X, verbose=0)

    def interrupted(*arguments):
        arguments[0].encoder.set_weights([0 * w for w in arguments[0].encoder.get_weights()])
        raise KeyboardInterrupt

    monkeypatch.setattr(forgetting, "_fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.forget(1, rows=(X[Y == 1], Y[Y == 1]), **BRIEFLY)
    after = [w for w in weights_of(model)]
    noise = [k for k, weight in enumerate(model.weights) if weight is model.noise]
    assert same_weights(before, after) and noise
    np.testing.assert_array_equal(model.predict(X, verbose=0), answers)
    assert model.forgotten == frozenset() and model.learnt_classes == {0, 1, 2}
    monkeypatch.undo()
    model.forget(1, **BRIEFLY)
    assert accuracy_on(model, Y, [0, 2]) > 0.95


def test_rows_of_it_calibrate_nothing(model):
    model.forget(1, **BRIEFLY)
    with pytest.raises(ValueError, match=r"rows of \[1\], which it has forgotten"):
        model.calibrate((X, Y))


def test_a_run_goes_on_with_what_was_forgotten(model, saved, tmp_path):
    model.forget(1, **BRIEFLY)
    model.save(tmp_path / "m.keras")
    tasks = [(X[Y == 0], Y[Y == 0]), (X[Y == 2], Y[Y == 2])]
    run = {"epochs": 2, "batch_size": 10, "verbose": 0, "checkpoint_dir": tmp_path / "run"}
    model.fit_tasks(tasks, **run)
    again = ccl.load_model(tmp_path / "m.keras")
    again.fit_tasks(tasks, **run)
    assert again.forgotten == {1} and same_weights(weights_of(model), weights_of(again))
    with pytest.raises(ValueError, match="belongs to another run"):
        ccl.load_model(saved / "numbers.keras").fit_tasks(tasks, **run)


def test_where_every_task_has_every_class_too():
    model = learnt(tiny(), [(X, Y), (1 - X, Y)])
    model.forget([0], **BRIEFLY)
    assert not model.memory_size and accuracy_on(model, Y, [1, 2]) > 0.9
    model.begin_task(type("Task", (), {"labels": None, "train": split_of(X[Y > 0], Y[Y > 0]),
                                       "continues": False, "complete": True})())  # fmt: skip
    assert model.method.variant is False  # it has every class that there is


def split_of(x, y):
    from keras_ccl.data.splits import as_split

    return as_split((x, y), tiny().data_spec, "rows", batch_size=10)


def test_the_paper_forgets_too():
    model = ccl.CCLGM.paper((6,), 3, latent_dim=2, likelihood="bernoulli", seed=0)
    learnt(model, [(X, Y)])
    model.forget([0], **BRIEFLY)
    assert not model.predict(X, verbose=0)[:, 0].any()


def test_rows_of_a_step_are_generated_alone():
    class Drawn:
        x, y, q = np.zeros((5, 6)), np.eye(5)[:, :3], "q"

    found = generated_only(np.ones((5, 6)), np.ones((5, 3)), lambda n: Drawn, 3)
    assert found.q_teacher == "q" and int(found.current) == 5
    assert not np.any(found.x) and float(np.sum(found.weight)) == pytest.approx(1)
