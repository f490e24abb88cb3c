"""Continual classification for Keras: learn task after task, keep no data, do not forget."""

import os


def _require_tensorflow() -> None:
    """Refuse any Keras backend but TensorFlow, before anything heavy is imported.

    Raises:
        ImportError: if `KERAS_BACKEND`, or Keras's own configuration file, names another backend.
    """
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend == "tensorflow":
        import keras

        backend = keras.config.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"keras_ccl runs on the TensorFlow backend of Keras only, but the backend is "
            f"{backend!r}: set KERAS_BACKEND=tensorflow before Keras is imported."
        )


_require_tensorflow()

from keras_ccl import methods  # noqa: E402
from keras_ccl.data import datasets, streams  # noqa: E402
from keras_ccl.data.tasks import Task, TaskStream  # noqa: E402
from keras_ccl.export.export_student import export_student  # noqa: E402
from keras_ccl.methods.ccl_gm import CCLGM  # noqa: E402
from keras_ccl.methods.ewc import EWC  # noqa: E402
from keras_ccl.methods.heads import NearestClassMean, RandomFeatureRidge, StreamingLDA  # noqa: E402
from keras_ccl.models import networks  # noqa: E402
from keras_ccl.models.evaluate import evaluate  # noqa: E402
from keras_ccl.models.joint_vae import JointVAE  # noqa: E402
from keras_ccl.models.loading import load_model  # noqa: E402
from keras_ccl.results import metrics, plotting, uncertainty  # noqa: E402
from keras_ccl.results.evaluation import Evaluation  # noqa: E402
from keras_ccl.results.history import TaskHistory  # noqa: E402
from keras_ccl.results.stream_history import StreamHistory  # noqa: E402
from keras_ccl.training.fit_jointly import fit_jointly  # noqa: E402
from keras_ccl.training.fit_stream import fit_stream  # noqa: E402
from keras_ccl.training.fit_tasks import fit_tasks  # noqa: E402

__version__ = "0.1.0"

__all__ = [
    "CCLGM",
    "EWC",
    "Evaluation",
    "JointVAE",
    "NearestClassMean",
    "RandomFeatureRidge",
    "StreamHistory",
    "StreamingLDA",
    "Task",
    "TaskHistory",
    "TaskStream",
    "datasets",
    "evaluate",
    "export_student",
    "fit_jointly",
    "fit_stream",
    "fit_tasks",
    "load_model",
    "methods",
    "metrics",
    "networks",
    "plotting",
    "streams",
    "uncertainty",
]
