"""Continual classification for Keras: learn task after task, keep no data, do not forget."""

from keras_ccl.backend import require_tensorflow

require_tensorflow()

from keras_ccl import datasets, metrics, networks, plotting, streams  # noqa: E402
from keras_ccl.exporting import export_student  # noqa: E402
from keras_ccl.history import TaskHistory  # noqa: E402
from keras_ccl.joint_training import fit_jointly  # noqa: E402
from keras_ccl.loading import load_model  # noqa: E402
from keras_ccl.models.ccl_gm import CCLGM  # noqa: E402
from keras_ccl.models.ewc import EWC  # noqa: E402
from keras_ccl.models.joint_vae import JointVAE  # noqa: E402
from keras_ccl.streams import Task, TaskStream  # noqa: E402
from keras_ccl.training import fit_tasks  # noqa: E402

__version__ = "0.1.0"

__all__ = [
    "CCLGM",
    "EWC",
    "JointVAE",
    "Task",
    "TaskHistory",
    "TaskStream",
    "datasets",
    "export_student",
    "fit_jointly",
    "fit_tasks",
    "load_model",
    "metrics",
    "networks",
    "plotting",
    "streams",
]
