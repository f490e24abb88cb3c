"""`calibrate`, `identify` and `familiarity`: what they find, leave and are ended by."""

import keras
import numpy as np
import pytest
from checks import ROOT, rows, slow_but, tiny

import keras_ccl as ccl
from keras_ccl.bounds.calibration import best_temperature, threshold_of_coverage
from keras_ccl.export import serving
from keras_ccl.models.evidence import Evidence, Labelled, temperature_of, tempered, threshold_of

X, Y = rows(90)
LAST = X[Y == 2], Y[Y == 2]
STREAM = ccl.streams.split(ccl.Task((X, Y)), classes_per_task=2)


def learnt(model=None):
    model = tiny() if model is None else model
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit_tasks(STREAM, epochs=2, batch_size=30, verbose=0)
    return model


@pytest.fixture(scope="module")
def taught():
    """A calibrated model, for tests that change nothing."""
    model = learnt()
    model.calibrate(LAST)
    return model


def test_the_temperature_of_logits_that_are_too_sure_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (40_000, 4))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = (rng.random(len(shares))[:, None] > shares.cumsum(1)).sum(1)
    for factor in (0.2, 1, 7):
        found = best_temperature(factor * logits, y, np.ones(len(y)))
        assert found == pytest.approx(factor, rel=0.03)
    ignored = np.r_[np.ones(20_000), np.zeros(20_000)]
    mixed = np.r_[logits[:20_000], 50 * logits[20_000:]]
    assert best_temperature(mixed, y, ignored) == pytest.approx(1, rel=0.04)


def test_a_threshold_is_reached_by_its_share_of_the_weight():
    values = np.arange(1.0, 21)
    assert threshold_of_coverage(values, np.ones(20), 0.95) == 2
    assert threshold_of_coverage(values, np.ones(20), 1) == 1
    assert threshold_of_coverage(np.array([3.0, 1, 2]), np.array([1, 1, 2]), 0.75) == 2


def labelled(logits, y, nats):
    return Labelled(Evidence(logits, nats), y, np.full(len(y), 1 / len(y)))


def test_generated_rows_weigh_all_tasks_but_one():
    sure, wrong = np.array([[9.0, 0]] * 10), np.array([[0.0, 9]] * 10)
    given, made = (labelled(part, np.zeros(10, int), None) for part in (sure, wrong))
    # Right with weight 1, wrong with weight 2: no temperature is high enough.
    alone = temperature_of(given, None, 3)
    assert alone < 0.1 and temperature_of(given, made, 3) > 100
    some = labelled(np.r_[sure, wrong[:2]], np.zeros(12, int), None)
    both = temperature_of(given, some, 2)  # 1 + 10/12 right, 2/12 wrong
    assert 9 / both == pytest.approx(np.log(11), rel=0.02)


def test_the_threshold_moves_by_what_generated_rows_tell_of_other_classes():
    given = labelled(np.zeros((20, 3)), np.full(20, 2), np.arange(20.0))
    assert threshold_of(given, None, 0.95) == 1
    nats = np.r_[np.arange(20.0) - 100, np.arange(20.0) + 50]  # of class 0; of the class given
    made = labelled(np.zeros((40, 3)), np.repeat([0, 2], 20), nats)
    assert threshold_of(given, made, 0.95) == 1 + (-98) - 51
    others = labelled(np.zeros((40, 3)), np.repeat([0, 1], 20), nats)
    assert threshold_of(given, others, 0.95) == 1


# The model.


@pytest.mark.slow
def test_nothing_else_changes():
    model = learnt()
    before = [weight.numpy() for weight in model.weights]
    expected = model.predict(X, verbose=0)
    first = model.calibrate(LAST)
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    assert model.calibrate(LAST) == first  # it has no noise


def test_it_answers_by_what_was_found(taught):
    found, kept = taught.identify(X), taught.calibration
    evidence = taught.evidence(X)
    shares = np.exp(evidence.logits / kept.temperature)
    shares /= shares.sum(1, keepdims=True)
    np.testing.assert_allclose(found.probability, shares.max(1), rtol=1e-5)
    np.testing.assert_array_equal(found.label, shares.argmax(1))
    np.testing.assert_array_equal(found.label, taught.predict(X, verbose=0).argmax(1))
    np.testing.assert_array_equal(found.familiar, found.familiarity >= np.float32(kept.threshold))
    np.testing.assert_allclose(found.familiarity, taught.familiarity(X), rtol=1e-5)
    as_predicted = tempered(evidence.logits, 1)
    np.testing.assert_allclose(as_predicted, taught.predict(X, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(found.probabilities.max(1), found.probability)
    assert found.familiar.any() and not taught.identify(1 - X.round()).familiar.all()


def test_the_threshold_has_its_coverage_where_one_task_was_learnt():
    model = tiny()
    model.fit_tasks([(X, Y)], epochs=2, batch_size=30, verbose=0)
    for coverage in (0.5, 0.9, 1.0):
        model.calibrate((X, Y), coverage=coverage)
        assert model.identify(X).familiar.mean() == pytest.approx(coverage, abs=1 / 90)


def test_labels_are_names():
    names = np.array(["cat", "dog", "eel"])
    model = tiny(num_classes=None, class_names=list(names))
    model.fit_tasks([(X, names[Y])], epochs=1, verbose=0)
    model.calibrate((X, names[Y]))
    expected = names[model.predict(X, verbose=0).argmax(1)]
    np.testing.assert_array_equal(model.identify(X).label, expected)


def test_it_is_saved_with_the_model(taught, tmp_path):
    taught.save(tmp_path / "model.keras")
    again = ccl.load_model(tmp_path / "model.keras")
    assert again.calibration == taught.calibration
    for one, other in zip(again.identify(X), taught.identify(X), strict=True):
        np.testing.assert_array_equal(one, other)
    again.save_weights(tmp_path / "model.weights.h5")
    again.load_weights(tmp_path / "model.weights.h5")
    assert again.calibration is None  # whose weights they are is not known


class AtTheEnd(keras.callbacks.Callback):
    """Calibrates after each task."""

    def on_task_end(self, task):
        self.model.calibrate(LAST)


@pytest.mark.slow
def test_checkpoints_hold_it_and_a_run_goes_on_whether_there_was_one_or_not(tmp_path):
    options = {"epochs": 1, "batch_size": 30, "verbose": 0}
    model, again = tiny(), tiny()
    model.fit_tasks(STREAM, checkpoint_dir=tmp_path / "a", callbacks=[AtTheEnd()], **options)
    assert model.calibration.tasks_seen == 2
    again.fit_tasks(STREAM, checkpoint_dir=tmp_path / "a", callbacks=[AtTheEnd()], **options)
    assert again.calibration == model.calibration
    again.fit_tasks([LAST], checkpoint_dir=tmp_path / "b", **options)
    model._calibration = None  # a copy that nobody calibrated
    model.fit_tasks([LAST], checkpoint_dir=tmp_path / "b", **options)
    assert again.calibration is None and model.calibration is None
    assert int(model.tasks_seen.numpy()) == 3


def test_a_copy_without_the_weights_is_not_calibrated(taught):
    assert type(taught).from_config(taught.get_config()).calibration is None


def test_a_file_of_before_loads_and_is_not_calibrated():
    model = ccl.load_model(ROOT / "tests/recorded/cclgm-format-1.keras")
    assert model.calibration is None and "calibration" not in model.get_config()


@pytest.mark.slow
@pytest.mark.parametrize("how", slow_but(["fit_tasks", "fit", "train_on_batch"], ["fit_tasks"]))
def test_learning_further_ends_it(how):
    model = learnt()
    model.calibrate(LAST)
    if how == "train_on_batch":
        model.train_on_batch(*LAST)
    elif how == "fit":
        model.fit(*LAST, epochs=1, verbose=0)
    else:
        model.fit_tasks([LAST], epochs=1, verbose=0)
    assert model.calibration is None
    with pytest.raises(ValueError, match="identify: expected a calibrated model"):
        model.identify(X)


def test_a_task_that_is_refused_leaves_it():
    model = learnt()
    kept = model.calibrate(LAST)
    with pytest.raises(ValueError, match="the model expects"):
        model.fit_tasks([(X[:, :5], Y)], verbose=0)
    assert model.calibration == kept


@pytest.mark.slow
def test_it_stays_when_classes_grow():
    model = tiny(num_classes=None)
    model.fit_tasks([(X, Y)], epochs=1, verbose=0)
    kept = model.calibrate((X, Y))
    before = model.identify(X)
    model.grow_classes([7])
    assert model.calibration == kept
    np.testing.assert_array_equal(model.identify(X).familiar, before.familiar)


def test_a_head_has_a_temperature_and_knows_no_familiarity():
    model = ccl.StreamingLDA((6,), 3)
    model.fit_tasks(STREAM, verbose=0)
    with pytest.warns(UserWarning, match="generates no rows of earlier tasks"):
        found = model.calibrate(LAST)
    assert found.threshold is None and found.temperature != 1
    answer = model.identify(X)
    assert answer.familiarity is None and answer.familiar is None
    np.testing.assert_array_equal(answer.label, model.predict(X, verbose=0).argmax(1))


@pytest.mark.slow
def test_mixed_precision_is_answered_in_float32():
    model = tiny(dtype="mixed_bfloat16")
    model.fit_tasks([(X, Y)], epochs=1, verbose=0)
    twin = model.in_float32()
    assert twin is not model and twin.compute_dtype == "float32"
    served = serving.classifier(twin).function(X)["familiarity"]
    np.testing.assert_allclose(model.familiarity(X), served, rtol=1e-5)
    model.calibrate((X, Y))
    assert model.identify(X).probability.dtype == np.float32


BAD = {
    "coverage": (lambda m: m.calibrate(LAST, coverage=1.5), r"coverage: expected a share"),
    "rows": (lambda m: m.calibrate((X[:, :5], Y)), r"calibrate: x is \(5,\), the model expects"),
    "labels": (lambda m: m.calibrate((X, Y + 7)), "calibrate"),
    "none": (lambda m: m.calibrate((X[:0], Y[:0])), "calibrate: expected at least one row"),
    "weights": (lambda m: m.calibrate((X, Y, 0 * X[:, 0])), "calibrate"),
    "shape": (lambda m: m.identify(X[:, :5]), r"x is \(5,\), the model expects \(6,\)"),
    "gaps": (lambda m: m.identify(np.where(X > 0.9, np.nan, X)), "identify: expected finite x"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_and_changes_nothing(case, taught):
    call, message = BAD[case]
    kept = taught.calibration
    with pytest.raises(ValueError, match=message):
        call(taught)
    assert taught.calibration == kept


def test_a_model_that_learnt_nothing_is_refused():
    with pytest.raises(ValueError, match="calibrate: expected a model that has learnt a task"):
        tiny().calibrate(LAST)
    with pytest.raises(ValueError, match="identify: expected a calibrated model"):
        tiny().identify(X)
