"""Whether an exported artefact, run by its own runtime, says what the Keras model says."""

import numpy as np

from keras_ccl.data.validation import check_rows

TOLERANCES = {"probabilities": 1e-5, "x": 1e-5}
"""The largest difference allowed, times max(1, |value|)."""

OTHER_TOLERANCE = 1e-4
"""The same for tensors that are not bounded."""


def rows_to_compare(model, examples):
    """Inputs of both parts: random ones, ones that the model draws, and the given ones last.

    Args:
        examples: (x, y), or None.

    Returns:
        x [N, *input_shape], z [M, Z], and the labels of the last rows of x, or None.
    """
    rng = np.random.default_rng(0)
    low, high = (0, 1) if model.data_spec.unit_range else (-3, 3)
    x = [rng.uniform(low, high, (64, *model.input_shape)), model.generate(64, seed=0)[0]]
    z = [rng.standard_normal((64, model.latent_dim)), np.asarray(model.p_z.sample(64, (0, 2)))]
    y = None
    if examples is not None:
        given, y = check_rows(*examples, model.data_spec, "examples")
        x.append(given)
    return np.concatenate(x).astype(np.float32), np.concatenate(z).astype(np.float32), y


def compare(name, run, rows, expected, labels=None, *, exact=True):
    """Run an artefact on all rows at once, and on the first one alone.

    Args:
        name: of the artefact; run: a function of rows that returns a dict of arrays;
        rows: [N, ...]; expected: what the Keras model says, a dict of arrays;
        labels: of the last rows, or None;
        exact: whether a difference above the tolerance is an error; it is always recorded.

    Returns:
        dict: `rows`, `worst_difference` and `tolerance` by tensor, `labels_equal` (a share),
        and, with labels, `accuracy` and `accuracy_of_keras`.

    Raises:
        ValueError: naming the artefact and the tensor.
    """
    received, alone = run(rows), run(rows[:1])
    if set(received) != set(expected):
        raise ValueError(
            f"{name}: expected tensors {sorted(expected)}, received {sorted(received)}"
        )
    worst = {}
    for key, value in expected.items():
        where = f"{name}: tensor {key!r}"
        many, one = (
            _difference(received[key], value, where),
            _difference(alone[key], value[:1], where),
        )
        worst[key] = max(many, one)
        allowed = TOLERANCES.get(key, OTHER_TOLERANCE)
        if exact and worst[key] > allowed:
            raise ValueError(
                f"{where} differs from the Keras model by {worst[key]:.3g}, more than {allowed:g}"
            )
    record = {"rows": len(rows), "worst_difference": worst}
    if exact:
        record["tolerance"] = {key: TOLERANCES.get(key, OTHER_TOLERANCE) for key in worst}
    answers = [given["probabilities"].argmax(1) for given in (received, expected)]
    record["labels_equal"] = float(np.mean(answers[0] == answers[1]))
    if labels is not None:
        shares = [float(np.mean(answer[-len(labels) :] == labels)) for answer in answers]
        record["accuracy"], record["accuracy_of_keras"] = shares
    return record


def _difference(received, expected, where):
    """The worst difference, relative to max(1, |expected|)."""
    if received.shape != expected.shape:
        raise ValueError(f"{where}: expected shape {expected.shape}, received {received.shape}")
    for values, whose in ((expected, "the Keras model"), (received, "the artefact")):
        if not np.isfinite(values).all():
            raise ValueError(f"{where}: {whose} gives values that are not finite")
    return float((np.abs(received - expected) / np.maximum(1, np.abs(expected))).max())
