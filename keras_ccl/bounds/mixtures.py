"""Gaussians fitted to labelled points: k-means in each class, then weighted moments."""

import numpy as np

ROWS_PER_GAUSSIAN = 20
"""A class has one Gaussian for each so many rows: with fewer it would point at single rows."""

MOST_COMPONENTS, COMPONENTS_IN_ALL = 60, 600
"""Gaussians by default: of a class, and of all classes, at most."""

SHRINKAGE_ROWS = 20.0
"""Shrinkage of covariances: the mean variance of the class counts as much as this many rows."""


def components_for(num_classes: int) -> int:
    """How many Gaussians a class has at most by default, so that all do not grow with classes."""
    return max(1, min(MOST_COMPONENTS, COMPONENTS_IN_ALL // num_classes))


def fit_classes(
    z: np.ndarray,
    y: np.ndarray,
    row_weights: np.ndarray,
    *,
    num_classes: int,
    components: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit Gaussians with full covariances to the points of each class.

    A class of n points has n / `ROWS_PER_GAUSSIAN` of them, at least 1 and at most `components`,
    each shrunk towards a variance of at least 1 / n: that of N(0, I) for a class of a single point.
    What is kept of a class says how its rows lie, not where a row is.

    Args:
        z: The points, `[N, Z]`.
        y: Their classes, `[N]`, integers in [0, num_classes).
        row_weights: Their weights, `[N]`, not negative.
        num_classes: The number of classes, K.
        components: The largest number of Gaussians per class, M.
        rng: Draws the seeds of the clusters.

    Returns:
        The weights of the components, `[K M]`, which add up to 1 and are 0 for components without
            points.
        Their means, `[K M, Z]`.
        The lower Cholesky factors of their covariances, `[K M, Z, Z]`.
    """
    size, dim = num_classes * components, z.shape[1]
    weights = np.zeros(size)
    means = np.zeros((size, dim))
    trils = np.tile(np.eye(dim), (size, 1, 1))
    for k in np.unique(y):
        points, shares = z[y == k].astype(np.float64), row_weights[y == k].astype(np.float64)
        within = shares @ np.square(points - np.average(points, 0, shares)) / shares.sum()
        variance = max(within.mean(), 1 / len(points))
        fitting = min(max(len(points) // ROWS_PER_GAUSSIAN, 1), components)
        assigned = k_means(points, shares, fitting, rng)
        for m in np.unique(assigned):
            inside, at = assigned == m, k * components + m
            weights[at] = shares[inside].sum()
            means[at], trils[at] = fit_gaussian(points[inside], shares[inside], variance)
    return weights / weights.sum(), means, trils


def fit_gaussian(
    points: np.ndarray, shares: np.ndarray, prior_variance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one Gaussian, with its covariance shrunk towards `prior_variance` I.

    Args:
        points: `[n, Z]`.
        shares: Their weights, `[n]`, positive.
        prior_variance: The variance to shrink towards, as if it had been seen in
            `SHRINKAGE_ROWS` further points.

    Returns:
        The weighted mean, `[Z]`.
        The lower Cholesky factor of the covariance, `[Z, Z]`.
    """
    n, dim = points.shape
    mean = np.average(points, 0, shares)
    centred = points - mean
    covariance = (centred * shares[:, None]).T @ centred / shares.sum()
    keep = n / (n + SHRINKAGE_ROWS)
    ridge = (1 - keep) * prior_variance + 1e-4
    return mean, np.linalg.cholesky(keep * covariance + ridge * np.eye(dim))


def k_means(
    points: np.ndarray,
    shares: np.ndarray,
    clusters: int,
    rng: np.random.Generator,
    *,
    rounds: int = 15,
) -> np.ndarray:
    """Cluster points by Lloyd's algorithm, started from k-means++ seeds.

    Points count by their shares: many rows of the current task and few of each earlier one, which
    weigh the same together, get equally many clusters.

    Args:
        points: `[n, Z]`.
        shares: How much each counts, `[n]`, positive.
        clusters: The largest number of clusters.
        rng: Draws the seeds.
        rounds: The largest number of iterations.

    Returns:
        The cluster of each point, `[n]`, in [0, min(clusters, n)).
    """
    centres = seed_centres(points, shares, min(clusters, len(points)), rng)
    assigned = np.full(len(points), -1)
    for _ in range(rounds):
        nearest = squared_distances(points, centres).argmin(1)
        if np.array_equal(nearest, assigned):
            break
        assigned = nearest
        for m in np.unique(assigned):
            centres[m] = np.average(points[assigned == m], 0, shares[assigned == m])
    return assigned


def seed_centres(
    points: np.ndarray, shares: np.ndarray, clusters: int, rng: np.random.Generator
) -> np.ndarray:
    """Choose the first centres by k-means++ (Arthur and Vassilvitskii 2007).

    Each centre is a point, drawn with a probability proportional to its share and its squared
    distance from the nearest centre chosen before.

    Args:
        points: `[n, Z]`.
        shares: How much each counts, `[n]`, positive.
        clusters: The number of centres, m.
        rng: Draws them.

    Returns:
        The centres, `[m, Z]`.
    """

    def drawn(chances: np.ndarray) -> np.ndarray:
        total = chances.sum()
        return points[rng.choice(len(points), size=1, p=chances / total if total > 0 else None)]

    centres = drawn(shares)
    distances = squared_distances(points, centres)[:, 0]
    while len(centres) < clusters:
        centres = np.concatenate([centres, drawn(shares * distances)])
        distances = np.minimum(distances, squared_distances(points, centres[-1:])[:, 0])
    return centres


def squared_distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Compute the squared distances `[n, m]` of points `[n, Z]` from centres `[m, Z]`."""
    cross = points @ centres.T
    squares = np.square(points).sum(1)[:, None] + np.square(centres).sum(1)
    return np.maximum(squares - 2 * cross, 0.0)
