"""How sure, and how well known from unknown: against values worked out by hand."""

import numpy as np
import pytest

from keras_ccl import uncertainty


def of_confidence(values, classes=4):
    """p(y|x) whose most likely class is 0."""
    top = np.array(values)[:, None]
    return np.hstack([top, np.repeat((1 - top) / (classes - 1), classes - 1, 1)])


def test_the_calibration_error_by_hand():
    shares = of_confidence([0.9, 0.9, 0.6, 0.6])
    y = [0, 1, 0, 0]  # of 0.9 half are right, of 0.6 all
    expected = 0.5 * abs(0.5 - 0.9) + 0.5 * abs(1 - 0.6)
    assert uncertainty.expected_calibration_error(shares, y) == pytest.approx(expected)
    # In one bin over- and underconfidence cancel: 3 of 4 are right, at 0.75 on average.
    assert uncertainty.expected_calibration_error(shares, y, bins=1) == pytest.approx(0)


def test_a_reliability_diagram_by_hand():
    found = uncertainty.reliability(of_confidence([0.9, 0.8, 0.6]), [0, 1, 0], bins=4)
    np.testing.assert_array_equal(found.rows, [0, 0, 1, 2])
    np.testing.assert_allclose(found.confidence, [np.nan, np.nan, 0.6, 0.85])
    np.testing.assert_allclose(found.accuracy, [np.nan, np.nan, 1, 0.5])


def test_bins_are_closed_at_their_upper_end_and_the_last_holds_one():
    shares = of_confidence([1.0, 14 / 15, 14 / 15 - 1e-6])
    found = uncertainty.expected_calibration_error(shares, [0, 1, 1])
    assert found == pytest.approx((14 / 15 + 14 / 15) / 3, abs=1e-5)


def test_a_model_that_draws_its_own_labels_is_calibrated():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(5), 40_000)
    y = (rng.random(len(shares))[:, None] > shares.cumsum(1)).sum(1)
    assert uncertainty.expected_calibration_error(shares, y) < 0.01
    sharp = shares**3 / (shares**3).sum(1, keepdims=True)
    assert uncertainty.expected_calibration_error(sharp, y) > 0.2


def test_the_likelihood_by_hand():
    shares = [[0.5, 0.5], [0.25, 0.75]]
    found = uncertainty.negative_log_likelihood(shares, [0, 1])
    assert found == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)
    assert uncertainty.negative_log_likelihood([[1.0, 0.0]], [1]) == np.inf


def test_auroc_counts_pairs_and_ties_half():
    known, unknown = np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0])
    pairs = [(a > b) + 0.5 * (a == b) for a in known for b in unknown]
    assert uncertainty.auroc(known, unknown) == pytest.approx(np.mean(pairs))
    rng = np.random.default_rng(0)
    known, unknown = rng.integers(0, 9, 70), rng.integers(-2, 7, 50)
    pairs = [(a > b) + 0.5 * (a == b) for a in known for b in unknown]
    assert uncertainty.auroc(known, unknown) == pytest.approx(np.mean(pairs))


def test_auroc_of_gaussians_is_known():
    rng = np.random.default_rng(0)
    found = uncertainty.auroc(rng.normal(1, 1, 20_000), rng.normal(0, 1, 20_000))
    assert found == pytest.approx(0.7602, abs=0.01)  # Phi(1 / sqrt 2)


def test_fpr95_by_hand():
    known = np.arange(1, 101)  # 95 of them are 6 or more
    assert uncertainty.false_positive_rate(known, [5, 5.9, 6, 7]) == 0.5
    assert uncertainty.false_positive_rate(known, [0.5, 1], recall=1) == 0.5


def test_risk_against_coverage_by_hand():
    found = uncertainty.risk_coverage([4, 3, 2, 1], [True, True, False, True])
    np.testing.assert_allclose(found.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.risk, [0, 0, 1 / 3, 1 / 4])
    assert found.area == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    tied = uncertainty.risk_coverage([1, 1, 1, 1], [True, True, False, True])
    np.testing.assert_allclose((*tied.coverage, *tied.risk, tied.area), [1, 0.25, 0.25])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uncertainty.auroc([], [1]), "known: expected scores"),
        (lambda: uncertainty.auroc([1], [np.nan]), "unknown: expected scores"),
        (lambda: uncertainty.false_positive_rate([1], [1], recall=0), "recall: expected a share"),
        (lambda: uncertainty.risk_coverage([1, 2], [True]), "right: expected 2 values"),
        (lambda: uncertainty.risk_coverage([1, 2], [3, 0]), "right: expected 2 values"),
        (lambda: uncertainty.negative_log_likelihood([[1.0]], [0, 0]), "expected probabilities"),
        (lambda: uncertainty.negative_log_likelihood([[2.0, 1]], [0]), "add up to 1"),
        (lambda: uncertainty.expected_calibration_error([[0.5, 0.5]], [2]), "from 0 to 1"),
        (lambda: uncertainty.expected_calibration_error([[0.5, 0.5]], ["a"]), "y: expected"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
