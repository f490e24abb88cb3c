"""The one backend keras_ccl runs on, said in one sentence before anything heavy is imported."""

import os


def require_tensorflow():
    """Refuse any Keras backend but TensorFlow.

    Raises:
        ImportError: if `KERAS_BACKEND`, or Keras's own configuration file, names another backend.
    """
    named = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if named == "tensorflow":
        import keras

        named = keras.config.backend()
    if named != "tensorflow":
        raise ImportError(
            f"keras_ccl runs on the TensorFlow backend of Keras only, but the backend is "
            f"{named!r}: set KERAS_BACKEND=tensorflow before Keras is imported."
        )
