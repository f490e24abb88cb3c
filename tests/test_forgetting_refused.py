"""`forget`: what is refused changes nothing, and so does what fails."""

import numpy as np
import pytest
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.data.ready_tasks import ReadyTask
from keras_ccl.data.splits import as_split

X, Y = rows(90)
STREAM = [(X[Y < 2], Y[Y < 2]), (X[Y == 2], Y[Y == 2])]
OF_DOG = X[Y == 1], Y[Y == 1]
BRIEFLY = {"generated": 60, "epochs": 1, "batch_size": 30, "verbose": 0}


def learnt(model, tasks=STREAM):
    model.fit_tasks(tasks, epochs=1, batch_size=30, verbose=0)
    return model


@pytest.fixture(scope="module")
def taught():
    return learnt(tiny())


REFUSED = {
    "a class of which there is none": ({"classes": 3}, ValueError, "received 3"),
    "a name where classes are numbers": ({"classes": "1"}, ValueError, "received '1'"),
    "all classes": ({"classes": [0, 1, 2]}, ValueError, "received all"),
    "no class": ({"classes": []}, ValueError, "received none"),
    "a fraction": ({"classes": 1.0}, TypeError, "received float 1.0"),
    "a truth value": ({"classes": [True]}, TypeError, "received bool True"),
    "nothing": ({"classes": None}, TypeError, "received NoneType None"),
    "rows of another class": ({"rows": (X, Y)}, ValueError, r"of \[1\] alone, .* of \[0, 1, 2\]"),
    "some of the rows": ({"rows": (X[Y == 1][1:], Y[Y == 1][1:])}, ValueError, "all 30 rows"),
    "other rows": ({"rows": (X[Y == 0], Y[Y == 1])}, ValueError, "or others"),
    "no epoch": ({"epochs": 0}, ValueError, "epochs: expected"),
    "no generated row": ({"generated": 0}, ValueError, "generated: expected"),
    "an unknown display": ({"verbose": "loud"}, ValueError, "verbose: expected"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(taught, case):
    given, error, message = REFUSED[case]
    before = weights_of(taught)
    with pytest.raises(error, match=message):
        taught.forget(**{"classes": 1, **BRIEFLY, **given})
    assert same_weights(before, weights_of(taught)) and taught.forgotten == frozenset()


def test_a_class_that_was_not_learnt_yet_is_refused():
    model = tiny()
    with pytest.raises(ValueError, match=r"expected some of those learnt, \[\], received 1"):
        model.forget(1)
    learnt(model, STREAM[:1])
    with pytest.raises(ValueError, match=r"those learnt, \[0, 1\], received 2"):
        model.forget(2)
    model.begin_task(ReadyTask(2, "", as_split((X, Y), model.data_spec, "", batch_size=9)))
    with pytest.raises(ValueError, match="between two tasks, received one within task 2"):
        model.forget(1)


METHODS = ["ElasticWeightConsolidation", "LearningWithoutForgetting", "SynapticIntelligence"]


@pytest.mark.parametrize("method", slow_but(METHODS, each_time=METHODS[1:2]))
def test_methods_that_generate_nothing_are_refused(method):
    model = learnt(tiny(ccl.JointVAE, method=getattr(ccl.methods, method)()), STREAM[:1])
    with pytest.raises(TypeError, match=f"GenerativeReplay, received {method}"):
        model.forget(1)


def test_after_an_error_the_model_is_what_it_was(taught, monkeypatch):
    model = taught
    before, answers = weights_of(model), model.predict(X, verbose=0)

    def interrupted(model, *_):
        assert not same_weights(before, weights_of(model))
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_ccl.training.forget._fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.forget(1, rows=OF_DOG, **BRIEFLY)
    assert same_weights(before, weights_of(model)) and model.method.variant is True
    np.testing.assert_array_equal(model.predict(X, verbose=0), answers)
    assert model.forgotten == frozenset() and model.learnt_classes == {0, 1, 2}


def test_an_odd_record_of_classes_is_refused(taught):
    for classes in ([3], [True], [-1]):
        with pytest.raises(ValueError, match="forgotten: expected indices of classes"):
            taught.restore_classes({"learnt": [0], "forgotten": classes})
    taught.restore_classes({"learnt": [0, 1, 2], "forgotten": []})
