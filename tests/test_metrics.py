"""What R tells, against values worked out by hand."""

import numpy as np
import pytest

from keras_ccl.results import metrics

NAN = float("nan")
R = [[0.9, NAN, NAN], [0.7, 0.8, NAN], [0.75, 0.6, 1.0]]


def test_average_accuracy_is_over_the_tasks_seen():
    np.testing.assert_allclose(metrics.average_accuracy(R), [0.9, 0.75, 2.35 / 3])


def test_forgetting_is_from_the_best_earlier_accuracy():
    # after task 2: 0.9 - 0.7; after task 3: the mean of 0.9 - 0.75 and 0.8 - 0.6
    np.testing.assert_allclose(metrics.forgetting(R), [0.0, 0.2, 0.175])


def test_forgetting_is_negative_where_a_task_got_better():
    assert metrics.forgetting([[0.5, NAN], [0.6, 0.9]])[1] == pytest.approx(-0.1)


def test_backward_transfer_is_from_the_accuracy_when_learnt():
    assert metrics.backward_transfer(R) == pytest.approx(((0.75 - 0.9) + (0.6 - 0.8)) / 2)
    assert metrics.backward_transfer([[0.4]]) == 0.0


def test_an_unmeasured_task_is_not_averaged_away():
    holed = [[0.9, NAN], [NAN, 0.8]]
    assert np.isnan(metrics.average_accuracy(holed)[1])
    assert np.isnan(metrics.forgetting(holed)[1])
    assert np.isnan(metrics.backward_transfer(holed))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.5, 0.5]], r"expected a square matrix \[T, T\], received \(1, 2\)"),
        ([0.5, 0.5], r"received \(2,\)"),
        ([[1.5]], r"expected accuracies in \[0, 1\], received 1.5"),
        ([[-0.1]], r"received -0.1"),
    ],
)
def test_what_is_not_an_accuracy_matrix_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        metrics.average_accuracy(matrix)
