"""The formats of exported functions: how each is written, and run again by its own runtime."""

import contextlib
import importlib
import json
import logging
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

OPSET = 18  # tf2onnx 1.17 fails above it


class Format(NamedTuple):
    """One format.

    Attributes:
        suffix: how the names of its artefacts end.
        write: a function of (served, path, metadata).
        open: a function of path that returns a function of one array, which returns a dict of
            arrays, run by the format's own runtime.
        packages: the optional packages that it needs.
    """

    suffix: str
    write: Any
    open: Any
    packages: tuple


def write_saved_model(served, path, metadata):
    """A SavedModel with the signature `serving_default`. Metadata: in model.json alone."""
    module = tf.Module()  # Keras's own archive would hold every weight twice
    module.weights = [weight.value for network in served.networks for weight in network.weights]
    with _quiet("absl"):
        tf.saved_model.save(module, str(path), signatures={"serving_default": served.function})


def open_saved_model(path):
    """By TensorFlow."""
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def run(rows, _kept=loaded):  # a signature alone does not keep its variables
        return {key: value.numpy() for key, value in serve(**{name: tf.constant(rows)}).items()}

    return run


def write_onnx(served, path, metadata):
    """An ONNX file: first axes named `batch`, metadata as JSON texts.

    Raises:
        ValueError: naming the operations that ONNX lacks.
    """
    import onnx
    import tf2onnx

    with _quiet("tf2onnx"):
        proto, _ = tf2onnx.convert.from_function(
            served.function, input_signature=served.function.input_signature, opset=OPSET
        )
    nodes = proto.graph.node
    lacking = sorted(
        {node.op_type for node in nodes if not onnx.defs.has(node.op_type, node.domain)}
    )
    if lacking:
        raise ValueError(f"{path.name}: ONNX opset {OPSET} has no operation {', '.join(lacking)}")
    for tensor in (*proto.graph.input, *proto.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(proto, {key: json.dumps(v) for key, v in metadata.items()})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(path))


def open_onnx(path):
    """By ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return lambda rows: dict(zip(names, session.run(names, {given.name: rows}), strict=True))


def write_litert(served, path, metadata):
    """A LiteRT file with the signature `serving_default`. Metadata: in model.json alone."""
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(served, Path(folder), metadata)
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def open_litert(path):
    """By LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    runner = interpreter.get_signature_runner("serving_default")
    (name,) = runner.get_input_details()

    def run(rows, _kept=interpreter):  # a runner alone does not keep its memory
        return {key: np.array(value) for key, value in runner(**{name: rows}).items()}

    return run


FORMATS = {
    "saved_model": Format("", write_saved_model, open_saved_model, ()),
    "onnx": Format(".onnx", write_onnx, open_onnx, ("onnx", "tf2onnx", "onnxruntime")),
    "litert": Format(".tflite", write_litert, open_litert, ("ai_edge_litert",)),
}


def require(packages):
    """Refuse to start without the packages that a format needs.

    Raises:
        ImportError: naming the missing one, and how to install it.
    """
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ImportError(f'{package} is missing: pip install "keras-ccl[export]"') from error


@contextlib.contextmanager
def _quiet(name):
    """Silence a logger whose news the caller tells better, as an error or not at all."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
