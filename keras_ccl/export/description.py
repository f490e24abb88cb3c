"""What is written beside every artefact."""

from collections.abc import Sequence
from importlib import metadata as installed
from typing import Any

from keras_ccl.export.formats import OPSET
from keras_ccl.export.verification import content_hash
from keras_ccl.models.closed_form_head import ClosedFormHead
from keras_ccl.models.joint_vae import JointVAE

Student = JointVAE | ClosedFormHead


def describe(model: Student, class_names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the metadata of every artefact, as JSON can hold them.

    Args:
        model: The student.
        class_names: The name of each of the K classes; by default `model.class_names`.

    Returns:
        The metadata.

    Raises:
        ValueError: If there are not K names.
    """
    names = [str(name) for name in class_names or model.class_names]
    if len(names) != model.num_classes:
        raise ValueError(f"class_names: expected {model.num_classes}, received {len(names)}")
    return {
        "keras_ccl": installed.version("keras-ccl"),
        "method": model.method_name,
        "tasks_seen": int(model.tasks_seen.numpy()),
        "input_shape": list(model.input_shape),
        "input_range": [0, 1] if model.data_spec.unit_range else None,
        "white": 1 if model.backbone is None else 255,
        "likelihood": model.likelihood,
        "latent_dim": getattr(model, "latent_dim", None),
        "class_names": names,
        "opset": OPSET,
        "content_hash": content_hash(model),
        "calibration": model.calibration_record(),
    }
