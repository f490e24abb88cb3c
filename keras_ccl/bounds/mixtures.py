"""Fitting Gaussians to labelled points: k-means++ in each class, then weighted moments."""

import numpy as np

SHRINKAGE_ROWS = 20.0
"""A component's covariance is pulled to its class's mean variance as if by this many rows."""


def fit_classes(z, y, row_weights, *, num_classes, components, rng):
    """Fit `components` Gaussians with full covariance to the points of each class.

    Args:
        z: [N, Z]; y: [N] integers in [0, num_classes); row_weights: [N], not negative.
        num_classes: K; components: M, Gaussians a class; rng: a NumPy generator.

    Returns:
        weights [K M], adding up to 1, 0 for components without points; means [K M, Z]; lower
        Cholesky factors of the covariances [K M, Z, Z].
    """
    size, dim = num_classes * components, z.shape[1]
    weights = np.zeros(size)
    means = np.zeros((size, dim))
    trils = np.tile(np.eye(dim), (size, 1, 1))
    for k in np.unique(y):
        points, shares = z[y == k].astype(np.float64), row_weights[y == k].astype(np.float64)
        within = shares @ np.square(points - np.average(points, 0, shares)) / shares.sum()
        assigned = k_means(points, components, rng)
        for m in np.unique(assigned):
            inside, at = assigned == m, k * components + m
            weights[at] = shares[inside].sum()
            means[at], trils[at] = gaussian(points[inside], shares[inside], within.mean())
    return weights / weights.sum(), means, trils


def gaussian(points, shares, prior_variance):
    """The weighted mean and Cholesky factor of the covariance, shrunk to `prior_variance` I.

    Args:
        points: [n, Z]; shares: [n], positive.
    """
    n, dim = points.shape
    mean = np.average(points, 0, shares)
    centred = points - mean
    covariance = (centred * shares[:, None]).T @ centred / shares.sum()
    keep = n / (n + SHRINKAGE_ROWS)
    ridge = (1 - keep) * prior_variance + 1e-4
    return mean, np.linalg.cholesky(keep * covariance + ridge * np.eye(dim))


def k_means(points, clusters, rng, *, rounds=15):
    """Lloyd's algorithm from k-means++ seeds.

    Returns:
        [n], the cluster of each point, in [0, min(clusters, n)).
    """
    centres = seed_centres(points, min(clusters, len(points)), rng)
    assigned = None
    for _ in range(rounds):
        nearest = squared_distances(points, centres).argmin(1)
        if assigned is not None and np.array_equal(nearest, assigned):
            break
        assigned = nearest
        for m in np.unique(assigned):
            centres[m] = points[assigned == m].mean(0)
    return assigned


def seed_centres(points, clusters, rng):
    """k-means++ (Arthur and Vassilvitskii 2007): chances by squared distance to the nearest."""
    centres = points[rng.integers(len(points), size=1)]
    distances = squared_distances(points, centres)[:, 0]
    while len(centres) < clusters:
        chances = distances / distances.sum() if distances.sum() > 0 else None
        centres = np.concatenate([centres, points[rng.choice(len(points), size=1, p=chances)]])
        distances = np.minimum(distances, squared_distances(points, centres[-1:])[:, 0])
    return centres


def squared_distances(points, centres):
    """[n, m], for points [n, Z] and centres [m, Z]."""
    cross = points @ centres.T
    squares = np.square(points).sum(1)[:, None] + np.square(centres).sum(1)
    return np.maximum(squares - 2 * cross, 0.0)
