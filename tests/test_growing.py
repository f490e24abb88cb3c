"""Models that meet classes as tasks bring them: made without their number, they grow."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, tiny, weights_of
from interrupted import Signal, Stop, finish

import keras_ccl as ccl
from keras_ccl.methods import HEADS, METHODS
from keras_ccl.models.class_gaussians import ClassGaussians
from keras_ccl.models.growing import grow_mixture

NAMES = np.array(["cat", "dog", "eel"])
X, Y = rows(60)
NAMED = NAMES[Y]
ALL = ccl.Task((X, NAMED), test=(X, NAMED))
FIRST = ccl.Task((X[Y < 2], NAMED[Y < 2]), test=(X[Y < 2], NAMED[Y < 2]))
THEN = ccl.Task((X[Y == 2], NAMED[Y == 2]), test=(X, NAMED))
PARTS = ("encoder", "decoder", "classifier")


def growing(make=ccl.CCLGM, **options):
    return tiny(make, num_classes=None, **options)


def networks_of(model):
    return [weight for part in PARTS for weight in getattr(model, part).get_weights()]


@pytest.mark.parametrize("method", slow_but(METHODS, [], ["ccl-gm", "ewc"]))
def test_where_the_first_task_has_every_class_it_is_as_if_they_had_been_known(method):
    known, grown = tiny(METHODS[method]), growing(METHODS[method])
    known.fit_tasks([(X, Y)] * 2, epochs=1, verbose=0)
    grown.fit_tasks([(X, NAMED)] * 2, epochs=1, verbose=0)
    assert grown.class_names == ("cat", "dog", "eel")
    assert same_weights(networks_of(known), networks_of(grown))
    np.testing.assert_array_equal(known.predict(X, verbose=0), grown.predict(X, verbose=0))


@pytest.mark.graph
@pytest.mark.parametrize("method", slow_but(METHODS, [], ["ccl-gm", "ewc"]))
def test_a_later_task_brings_classes(method, tmp_path):
    model = growing(METHODS[method])
    model.fit_tasks([FIRST, THEN], epochs=1, verbose=0)
    assert model.class_names == ("cat", "dog", "eel") and model.num_classes == 3
    assert model.predict(X, verbose=0).shape == (60, 3)
    assert model.generate(4)[1].shape == (4, 3) and len(model.elbo(X)) == 60
    model.save(tmp_path / "m.keras")
    again = ccl.load_model(tmp_path / "m.keras")
    assert again.class_names == model.class_names
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))
    more = (X, np.where(NAMED == "cat", "ant", NAMED))
    for learner in (model, again):
        learner.fit_tasks([more], epochs=1, verbose=0)
        assert learner.class_names == ("cat", "dog", "eel", "ant")
    assert same_weights(weights_of(model), weights_of(again))


@pytest.mark.parametrize("name", [name for name in HEADS if name != "ridge-patches"])
def test_a_head_that_grew_is_the_head_that_knew(name):
    made = {"feature_count": 20, "likelihood": "bernoulli", "seed": 0}
    known, grown = HEADS[name]((6,), 3, **made), HEADS[name]((6,), **made)
    known.fit_tasks([(X[Y < 2], Y[Y < 2]), (X[Y == 2], Y[Y == 2])], verbose=0)
    grown.fit_tasks([FIRST, THEN], verbose=0)
    assert grown.class_names == ("cat", "dog", "eel")
    assert same_weights(weights_of(known), weights_of(grown))


def test_old_logits_stay_and_the_teacher_never_answers_what_it_did_not_meet():
    model = growing()
    model.fit_tasks([FIRST], epochs=2, verbose=0)
    before, z = networks_of(model), tf.zeros([4, 2])
    model.grow_classes(["eel", "fox"])
    for old, new in zip(before, networks_of(model), strict=True):
        corner = tuple(slice(size) for size in old.shape)
        np.testing.assert_array_equal(new[corner], old)
    of_teacher = tf.nn.softmax(model.teacher.classify(z).logits_parameter()).numpy()
    assert of_teacher.shape == (4, 4) and not of_teacher[:, 2:].any()


def test_the_optimizer_keeps_what_it_knows():
    model, optimizer = growing(), keras.optimizers.Adam(1e-2)
    model.compile(optimizer)
    model.fit(*FIRST.train, verbose=0)
    before = [np.asarray(variable) for variable in optimizer.variables]
    model.grow_classes(["eel"])
    assert model.optimizer is optimizer and int(optimizer.iterations) > 0
    for old, new in zip(before, optimizer.variables, strict=True):
        corner = tuple(slice(size) for size in old.shape)
        np.testing.assert_array_equal(np.asarray(new)[corner], old)
    model.fit(*THEN.train, verbose=0)


def test_metrics_with_a_number_for_each_class_grow():
    model = growing()
    model.compile("adam", metrics=[keras.metrics.F1Score("macro", name="f1")])
    model.fit(*FIRST.train, verbose=0)
    model.fit(*THEN.train, verbose=0)
    found = model.evaluate(X, NAMED, verbose=0, return_dict=True)
    answers = model.predict(X, verbose=0).argmax(1)
    each = [
        2 * np.sum((answers == k) & (k == Y)) / max(np.sum(answers == k) + np.sum(k == Y), 1)
        for k in range(3)
    ]
    assert found["f1"] == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.slow
def test_names_of_a_task_are_sorted_whatever_form_they_come_in():
    def generate():
        yield from zip(X[::-1], NAMED[::-1], strict=True)

    for form in ((X[::-1], NAMED[::-1]), generate, lambda: (X, NAMED.tolist())):
        model = growing()
        model.fit_tasks([FIRST.train, form, (X, NAMED)], epochs=1, verbose=0)
        assert model.class_names == ("cat", "dog", "eel")
    model = growing()
    model.fit_tasks([(X, Y * 10), (X, Y * 10 - 5)], epochs=1, verbose=0)
    assert model.class_names == (0, 10, 20, -5, 5, 15)


def test_the_memory_answers_once_a_later_task_brought_classes():
    model = growing()
    model.fit_tasks([FIRST], epochs=1, verbose=0)
    assert model.memory_size and not model.feature_memory.answering_parts()
    model.fit_tasks([THEN], epochs=1, verbose=0)
    assert model.feature_memory.answering_parts()
    assert model.feature_memory.feature_sums.counts.numpy().tolist() == [20, 20, 20]


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ([FIRST, (X, Y)], "task 2, train: expected labels that are strings"),
        (
            [ccl.Task(FIRST.train, test=(X, NAMED))],
            "task 1, test: expected labels of classes "
            "learnt so far, 'cat', 'dog', received 'eel' in row 2",
        ),
        (
            [FIRST, ccl.Task(THEN.train, validation=(X, np.where(Y, NAMED, "ant")))],
            "task 2, validation: expected labels of classes learnt so far, 'cat', 'dog', 'eel', "
            "received 'ant' in row 0",
        ),
    ],
    ids=["kind", "test", "validation"],
)
def test_a_refused_call_changes_nothing(tasks, told):
    model = growing()
    before = weights_of(model)
    with pytest.raises(ValueError) as refused:
        model.fit_tasks(tasks, epochs=1, verbose=0)
    assert str(refused.value).startswith(told)
    assert model.class_names == () and same_weights(before, weights_of(model))


def test_labels_that_were_not_learnt_are_refused_where_nothing_is_learnt():
    model = growing()
    model.compile("adam")
    with pytest.raises(ValueError, match="classes learnt so far, of which there are none"):
        model.evaluate(X, NAMED, verbose=0)
    with pytest.raises(ValueError, match="predict: expected a model that has met a class"):
        model.predict(X, verbose=0)
    model.fit(*FIRST.train, verbose=0)
    for measure in (model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match="'cat', 'dog', received 'eel' in row 2"):
            measure(X, NAMED)


@pytest.mark.slow
def test_a_weight_of_a_class_that_comes_later_counts_then():
    told = growing()
    told.fit_tasks([FIRST, THEN], epochs=1, verbose=0, class_weight={"eel": 2.0})
    with pytest.raises(ValueError, match="class_weight: .* received 'owl'"):
        growing().fit_tasks([FIRST, THEN], epochs=1, verbose=0, class_weight={"owl": 2.0})


def test_what_cannot_grow_is_refused():
    with pytest.raises(ValueError, match="classifier: expected a network that ends in Dense"):
        ends = [keras.Input((2,)), keras.layers.Dense(1), keras.layers.Rescaling(2.0)]
        growing(classifier=keras.Sequential(ends))
    with pytest.raises(ValueError, match="grow_classes: expected a model made without"):
        tiny().grow_classes(["eel"])
    with pytest.raises(ValueError, match="expected different names, received 'cat' twice"):
        growing().grow_classes(["cat", "cat"])


def test_a_mixture_with_less_room_keeps_its_heaviest_gaussians():
    p_z = tiny(num_classes=3, prior_components=4).p_z
    rng = np.random.default_rng(0)
    p_z.fit(rng.normal(size=(600, 2)), np.arange(600) % 3, np.full(600, 1 / 600), seed=0)
    log_weights, means, _ = p_z.gaussians()
    grow_mixture(p_z, 5, 2)
    heaviest = np.sort(np.argsort(-log_weights, kind="stable")[:10])
    np.testing.assert_array_equal(p_z.gaussians()[1], means[heaviest])
    grow_mixture(p_z, 6, 2)
    assert np.exp(p_z.gaussians()[0][10:]).max() < 1e-20


def test_gaussians_of_fewer_directions_keep_every_variance(monkeypatch):
    kept = ClassGaussians((8,), 2, rank=5)
    x = np.random.default_rng(0).normal(size=(50, 8)).astype("float32")
    kept.begin({0, 1}, [(tf.constant(x), tf.constant(np.arange(50) % 2))])
    variance = np.square(kept.factors.numpy()).sum(1) + kept.rest.numpy()
    monkeypatch.setattr("keras_ccl.models.class_gaussians.MOST_BYTES", 4 * (128 + 8 * 4 * 5))
    kept.grow_classes(4)
    assert kept.factors.shape == (4, 3, 8)
    found = np.square(kept.factors.numpy()).sum(1) + kept.rest.numpy()
    np.testing.assert_allclose(found[:2], variance, rtol=1e-5)
    assert not found[2:].any()


STOPS = {"task 1": Stop(1), "begin of task 2": Stop(2), "task 2": Stop(3), "a step": Signal(11)}


@pytest.mark.parametrize("stop", slow_but(STOPS, [], ["task 2"]))
def test_a_stopped_run_that_grew_ends_as_one_that_was_not(stop, tmp_path):
    whole = growing()
    expected = finish(whole, tmp_path / "whole", tasks=[FIRST, THEN], batch_size=8)
    with pytest.raises(KeyboardInterrupt):
        finish(growing(), tmp_path / "parts", [STOPS[stop]], [FIRST, THEN], batch_size=8)
    resumed = growing()
    history = finish(resumed, tmp_path / "parts", tasks=[FIRST, THEN], batch_size=8)
    assert resumed.class_names == ("cat", "dog", "eel")
    assert history.to_json() == expected.to_json()
    assert same_weights(weights_of(whole), weights_of(resumed))


def test_a_checkpoint_of_other_names_belongs_to_another_run(tmp_path):
    finish(growing(), tmp_path, tasks=[FIRST], validation_split=0.0)
    others = np.where(FIRST.train[1] == "cat", "ant", FIRST.train[1])
    with pytest.raises(ValueError, match="classes: the checkpoint has"):
        finish(growing(), tmp_path, tasks=[(FIRST.train[0], others)], validation_split=0.0)


@pytest.mark.slow
def test_joint_training_takes_classes_as_they_come():
    model, history = ccl.fit_jointly(growing, [FIRST, THEN], epochs=1, verbose=0)
    assert model.class_names == ("cat", "dog", "eel") and len(history) == 2


@pytest.mark.slow
def test_a_stream_is_split_by_name():
    stream = ccl.streams.split(ALL, classes_per_task=1, order=["eel", "cat", "dog"])
    assert [task.name for task in stream] == ["classes eel", "classes cat", "classes dog"]
    model = growing()
    model.fit_tasks(stream, epochs=1, verbose=0)
    assert model.class_names == ("eel", "cat", "dog")
