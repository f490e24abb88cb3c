"""What the accuracy matrix R tells. NumPy only.

R [T, T]: R[i, j] is the test accuracy on task j after task i was learnt; above the diagonal it is
NaN (not seen yet). A NaN below it, a task that has no test rows, makes every figure that needs it
NaN: nothing is averaged over what happens to be there.
"""

import numpy as np


def average_accuracy(accuracy):
    """Mean accuracy over the tasks seen, after each task: [T] (Lopez-Paz and Ranzato 2017)."""
    return mean_over_seen(check_matrix(accuracy))


def forgetting(accuracy):
    """Mean drop from a task's best earlier accuracy, after each task: [T] (Chaudhry et al. 2018).

    Row i is the mean over j < i of max(R[j..i-1, j]) - R[i, j]. After one task it is 0.
    """
    accuracy = check_matrix(accuracy)
    drops = [0.0]
    for i in range(1, len(accuracy)):
        best = [accuracy[j:i, j].max() for j in range(i)]
        drops.append(float(np.mean(best - accuracy[i, :i])))
    return np.array(drops[: len(accuracy)])


def backward_transfer(accuracy):
    """What later tasks did to earlier ones (Lopez-Paz and Ranzato 2017); negative is forgetting.

    The mean over j < T of R[T, j] - R[j, j]; 0 for a single task.
    """
    accuracy = check_matrix(accuracy)
    if len(accuracy) < 2:
        return 0.0
    return float(np.mean(accuracy[-1, :-1] - np.diag(accuracy)[:-1]))


def mean_over_seen(matrix):
    """Row i: the mean of matrix[i, :i + 1]. [T], for a matrix [T, T] of any unit."""
    return np.array([row[: i + 1].mean() for i, row in enumerate(np.asarray(matrix, float))])


def check_matrix(accuracy):
    """R as a float array.

    Raises:
        ValueError: if it is not square, or holds a value outside [0, 1] other than NaN.
    """
    accuracy = np.asarray(accuracy, float)
    if accuracy.ndim != 2 or accuracy.shape[0] != accuracy.shape[1]:
        raise ValueError(f"R: expected a square matrix [T, T], received {accuracy.shape}")
    outside = accuracy[(accuracy < 0) | (accuracy > 1)]
    if outside.size:
        raise ValueError(f"R: expected accuracies in [0, 1], received {outside[0]}")
    return accuracy
