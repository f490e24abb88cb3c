"""Metrics over time, against figures worked out by hand."""

import math

import numpy as np
import pytest

from keras_ccl.results import anytime

ROWS = [100, 200, 400]
ACCURACY = [[0.8, 0.0], [0.6, 0.9], [0.7, 0.5]]


def test_the_area_under_accuracy():
    by_hand = (100 * 0.8 + 100 * 0.75 + 200 * 0.6) / 400
    assert anytime.accuracy_over_time(ROWS, ACCURACY, [0, 150]) == pytest.approx(by_hand)
    everywhere = (100 * 0.4 + 100 * 0.75 + 200 * 0.6) / 400
    assert anytime.accuracy_over_time(ROWS, ACCURACY) == pytest.approx(everywhere)


def test_what_could_not_be_measured_is_left_out():
    unknown = [[0.8, math.nan], *ACCURACY[1:]]
    by_hand = (100 * 0.8 + 100 * 0.75 + 200 * 0.6) / 400
    assert anytime.accuracy_over_time(ROWS, unknown) == pytest.approx(by_hand)
    assert math.isnan(anytime.accuracy_over_time([1], [[math.nan]]))


def test_the_worst_accuracy_since_a_task_ended():
    assert anytime.worst_accuracy(ROWS, ACCURACY, [100, 400]) == pytest.approx(0.6)
    assert anytime.worst_accuracy(ROWS, ACCURACY, [100, 200]) == pytest.approx((0.6 + 0.5) / 2)
    assert math.isnan(anytime.worst_accuracy(ROWS, ACCURACY, [400, 400]))


def test_the_largest_fall_from_the_best_so_far():
    assert anytime.worst_forgetting(ACCURACY) == pytest.approx((0.2 + 0.4) / 2)
    assert anytime.worst_forgetting([[0.1], [0.2]]) == 0.0
    assert math.isnan(anytime.worst_forgetting(np.zeros((0, 2))))


@pytest.mark.parametrize(
    "rows, begins", [([1, 2], None), ([1, 3, 2], None), (ROWS, [0]), (ROWS, [[0, 1]])]
)
def test_shapes_that_do_not_fit_are_refused(rows, begins):
    with pytest.raises(ValueError, match="expected"):
        anytime.accuracy_over_time(rows, ACCURACY, begins)
