"""Checks that an exported artefact, run by its own runtime, agrees with the Keras model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_ccl.checkpointing.layer_state import hash_of
from keras_ccl.data.missing_labels import UNLABELLED
from keras_ccl.data.validation import check_rows
from keras_ccl.export.formats import Runner
from keras_ccl.export.serving import OF_NETWORKS, Tolerance
from keras_ccl.models.joint_model import JointModel
from keras_ccl.models.row_model import RowModel


def content_hash(model: RowModel) -> str:
    """Return the SHA-256 of the weights of the student and of p(z), which identifies the student.

    Args:
        model: The student.

    Returns:
        The hash in hexadecimal.
    """
    return hash_of(weight for part in model.answering_parts() for weight in part.get_weights())


def inputs_to_compare(
    model: RowModel, examples: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Make inputs of a classifier: random ones, generated ones if it can, then the examples.

    Args:
        model: The student.
        examples: Inputs `[n, *input_shape]` and labels `[n]`, or None.

    Returns:
        The inputs, `[N, *input_shape]`.
        The labels of the last n of them, or None without examples.

    Raises:
        ValueError: If the examples do not fit the model.
    """
    rng = np.random.default_rng(0)
    low, high = (0, 1) if model.data_spec.unit_range else (-3, 3)
    if model.backbone is not None:
        low, high = 0, 255
    x = [rng.uniform(low, high, (64, *model.input_shape))]
    if isinstance(model, JointModel) and model.backbone is None:  # else it generates features
        x.append(model.generate(64, seed=0)[0])
    y = None
    if examples is not None:
        given, y = check_rows(*examples, model.data_spec, "examples")
        x.append(given)
    return np.concatenate(x).astype(np.float32), y


def latents_to_compare(model: JointModel) -> np.ndarray:
    """Make inputs of the decoder of a model, `[M, Z]`: random ones, then samples of p(z)."""
    random = np.random.default_rng(1).standard_normal((64, model.latent_dim))
    return np.concatenate([random, np.asarray(model.p_z.sample(64, (0, 2)))]).astype(np.float32)


def compare(
    name: str,
    run: Runner,
    rows: np.ndarray,
    expected: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
    *,
    tolerance: Tolerance = OF_NETWORKS,
    exact: bool = True,
) -> dict[str, Any]:
    """Compare an artefact with the Keras model, on all rows at once and on the first one alone.

    Args:
        name: The name of the artefact, for errors.
        run: Runs the artefact.
        rows: Its inputs, `[N, ...]`.
        expected: The outputs of the Keras model by name.
        labels: The labels of the last rows, to measure the accuracy on.
        tolerance: The largest differences allowed.
        exact: Whether a difference above the tolerance is an error. Differences are recorded in
            any case.

    Returns:
        A record of `rows` (how many), `worst_difference` by tensor, `tolerance` by tensor if
            `exact`, `labels_equal` (a share), and, with labels, `accuracy` and
            `accuracy_of_keras`.

    Raises:
        ValueError: If the artefact does not run, or differs from the model; the error names
            artefact and tensor.
    """
    try:
        received, alone = run(rows), run(rows[:1])
    except Exception as error:  # every runtime has errors of its own
        raise ValueError(f"{name}: its runtime does not run it: {error}") from error
    if set(received) != set(expected):
        raise ValueError(
            f"{name}: expected tensors {sorted(expected)}, received {sorted(received)}"
        )
    worst = {}
    limits = tolerance._asdict()
    kinds = {key: key.removeprefix("calibrated_") for key in expected}
    allowed = {key: limits.get(kind, tolerance.others) for key, kind in kinds.items()}
    for key, value in expected.items():
        where = f"{name}: tensor {key!r}"
        worst[key] = max(
            _worst_difference(received[key], value, where),
            _worst_difference(alone[key], value[:1], where),
        )
        if exact and worst[key] > allowed[key]:
            raise ValueError(
                f"{where} differs from the Keras model by {worst[key]:.3g}, more than "
                f"{allowed[key]:g}"
            )
    record: dict[str, Any] = {"rows": len(rows), "worst_difference": worst}
    if exact:
        record["tolerance"] = allowed
    return record | _compare_labels(received, expected, labels)


def _compare_labels(
    received: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    labels: np.ndarray | None,
) -> dict[str, float]:
    """Compare the most likely class with that of the Keras model, and with the true labels."""
    answers = [given["probabilities"].argmax(1) for given in (received, expected)]
    record = {"labels_equal": float(np.mean(answers[0] == answers[1]))}
    if labels is not None and (known := labels != UNLABELLED).any():
        right = [answer[-len(labels) :] == labels for answer in answers]
        shares = [float(np.mean(each[known])) for each in right]
        record["accuracy"], record["accuracy_of_keras"] = shares
    return record


def _worst_difference(received: np.ndarray, expected: np.ndarray, where: str) -> float:
    """Return the largest difference, relative to max(1, |expected|)."""
    if received.shape != expected.shape:
        raise ValueError(f"{where}: expected shape {expected.shape}, received {received.shape}")
    for values, whose in ((expected, "the Keras model"), (received, "the artefact")):
        if not np.isfinite(values).all():
            raise ValueError(f"{where}: {whose} gives values that are not finite")
    return float((np.abs(received - expected) / np.maximum(1, np.abs(expected))).max())
