"""Metrics of continual learning, computed from the accuracy matrix R with NumPy.

R has shape `[T, T]`: R[i, j] is the test accuracy on task j after task i was learnt. It is NaN
above the diagonal, where a task has not been seen yet. A NaN on or below the diagonal, from a task
without test rows or one that was learnt in another call of `fit_tasks`, makes every metric that
depends on it NaN: an average never leaves values out.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_ccl.results.anytime import accuracy_over_time, worst_accuracy, worst_forgetting

__all__ = [
    "accuracy_over_time",
    "average_accuracy",
    "backward_transfer",
    "forgetting",
    "worst_accuracy",
    "worst_forgetting",
]


def average_accuracy(accuracy: ArrayLike) -> np.ndarray:
    """Compute the mean accuracy over the tasks seen so far (Lopez-Paz and Ranzato 2017).

    Args:
        accuracy: R, `[T, T]`.

    Returns:
        The average after each task, `[T]`.

    Raises:
        ValueError: If `accuracy` is not such a matrix.
    """
    return mean_over_seen(check_matrix(accuracy))


def forgetting(accuracy: ArrayLike) -> np.ndarray:
    """Compute the mean drop from the best earlier accuracy of each task (Chaudhry et al. 2018).

    After task i it is the mean over j < i of max(R[j..i-1, j]) - R[i, j]; after the first task it
    is 0.

    Args:
        accuracy: R, `[T, T]`.

    Returns:
        The forgetting after each task, `[T]`.

    Raises:
        ValueError: If `accuracy` is not such a matrix.
    """
    matrix = check_matrix(accuracy)
    drops = [0.0]
    for i in range(1, len(matrix)):
        best = [matrix[j:i, j].max() for j in range(i)]
        drops.append(float(np.mean(best - matrix[i, :i])))
    return np.array(drops[: len(matrix)])


def backward_transfer(accuracy: ArrayLike) -> float:
    """Compute the effect of later tasks on earlier ones (Lopez-Paz and Ranzato 2017).

    It is the mean over j < T of R[T, j] - R[j, j], and 0 for a single task. A negative value means
    forgetting.

    Args:
        accuracy: R, `[T, T]`.

    Returns:
        The backward transfer.

    Raises:
        ValueError: If `accuracy` is not such a matrix.
    """
    matrix = check_matrix(accuracy)
    if len(matrix) < 2:
        return 0.0
    return float(np.mean(matrix[-1, :-1] - np.diag(matrix)[:-1]))


def mean_over_seen(matrix: ArrayLike) -> np.ndarray:
    """Compute the mean of each row up to the diagonal.

    Args:
        matrix: `[T, T]`, in any unit.

    Returns:
        `[T]`, where element i is the mean of matrix[i, : i + 1].
    """
    return np.array([row[: i + 1].mean() for i, row in enumerate(np.asarray(matrix, float))])


def check_matrix(accuracy: ArrayLike) -> np.ndarray:
    """Return R as a float array.

    Args:
        accuracy: R, `[T, T]`.

    Returns:
        R.

    Raises:
        ValueError: If R is not square, or holds a value outside [0, 1] other than NaN.
    """
    matrix = np.asarray(accuracy, float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"R: expected a square matrix [T, T], received {matrix.shape}")
    outside = matrix[(matrix < 0) | (matrix > 1)]
    if outside.size:
        raise ValueError(f"R: expected accuracies in [0, 1], received {outside[0]}")
    return matrix


def lower_triangular(rows: Sequence[Sequence[float]], before: int) -> np.ndarray:
    """Build a square matrix from the last rows of its lower triangle.

    Args:
        rows: One more value in each than in the one before.
        before: The number of rows above them.

    Returns:
        The matrix, NaN elsewhere.
    """
    matrix = np.full((before + len(rows),) * 2, np.nan)
    for k, row in enumerate(rows, start=before):
        matrix[k, : k + 1] = row
    return matrix
