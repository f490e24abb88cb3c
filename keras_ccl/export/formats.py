"""The formats of exported functions: how each is written, and run again by its own runtime.

To add a format, add an entry to `FORMATS`; `export_student` and the command line follow from it.
"""

import contextlib
import importlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_ccl.export.serving import Served

OPSET = 18  # the latest that tf2onnx 1.17 can convert to

Runner = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Runs an artefact in its own runtime: a function of one array that returns arrays by name."""


class Format(NamedTuple):
    """One format.

    Attributes:
        suffix: The suffix of the names of its artefacts.
        write: Writes a function to a path, with metadata if the format can hold them.
        open: Opens the artefact at a path in the runtime of the format.
        packages: The optional packages it needs.
    """

    suffix: str
    write: Callable[[Served, Path, Mapping[str, Any]], None]
    open: Callable[[Path], Runner]
    packages: tuple[str, ...] = ()


def write_saved_model(served: Served, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a SavedModel with the signature `serving_default`.

    Args:
        served: The function.
        path: The folder to write.
        metadata: Not written; they are in model.json only.
    """
    module = tf.Module()  # a SavedModel written by Keras would hold every weight twice
    module.weights = [weight.value for network in served.networks for weight in network.weights]
    with _silenced_logger("absl"):
        tf.saved_model.save(module, str(path), signatures={"serving_default": served.function})


def open_saved_model(path: Path) -> Runner:
    """Open a SavedModel in TensorFlow."""
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def run(rows: np.ndarray, _kept: Any = loaded) -> dict[str, np.ndarray]:
        # A signature alone would not keep its variables alive.
        return {key: value.numpy() for key, value in serve(**{name: tf.constant(rows)}).items()}

    return run


def write_onnx(served: Served, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write an ONNX file in which the first axis of every input and output is named `batch`.

    Args:
        served: The function.
        path: The file to write.
        metadata: Written to the file, each value as JSON.

    Raises:
        ValueError: If ONNX lacks an operation; the error names it and its layer.
    """
    import onnx
    import tf2onnx

    function = _with_constants(served.function)
    with _silenced_logger("tf2onnx"):
        proto, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
    lacking = {
        (node.op_type, _layer_of(node.name))
        for node in proto.graph.node
        if not onnx.defs.has(node.op_type, node.domain)
    }
    if lacking:
        raise ValueError(f"{path.name}: ONNX opset {OPSET} has no operation {_listed(lacking)}")
    for tensor in (*proto.graph.input, *proto.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(proto, {key: json.dumps(v) for key, v in metadata.items()})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(path))


def open_onnx(path: Path) -> Runner:
    """Open an ONNX file in ONNX Runtime, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return lambda rows: dict(zip(names, session.run(names, {given.name: rows}), strict=True))


def write_litert(served: Served, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a LiteRT file with the signature `serving_default`.

    Args:
        served: The function.
        path: The file to write.
        metadata: Not written; they are in model.json only.

    Raises:
        ValueError: If LiteRT lacks an operation; the error names it and its layer.
    """
    from tensorflow.lite.python.convert_phase import ConverterError

    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(served, Path(folder), metadata)
        try:
            content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
        except ConverterError as error:
            raise ValueError(f"{path.name}: LiteRT {_reason(error)}") from error
    path.write_bytes(content)


def _reason(error: Any) -> str:
    """Return why the LiteRT converter failed, from its `ConverterError`."""
    lacking = {
        (found.operator.name.removeprefix("tf."), _layer_of(found.location.call[0].name))
        for found in error.errors
        if found.location.call
    }
    if not lacking:
        return f"cannot convert it: {str(error).strip().splitlines()[0]}"
    loops = any(name.startswith("TensorList") for name, _ in lacking)
    remedy = "; a recurrent layer needs unroll=True" if loops else ""
    return f"has no operation {_listed(lacking)}{remedy}"


def open_litert(path: Path) -> Runner:
    """Open a LiteRT file in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    runner = interpreter.get_signature_runner("serving_default")
    (name,) = runner.get_input_details()

    def run(rows: np.ndarray, _kept: Any = interpreter) -> dict[str, np.ndarray]:
        # A signature runner alone would not keep the memory of the interpreter alive.
        return {key: np.array(value) for key, value in runner(**{name: rows}).items()}

    return run


FORMATS = {
    "saved_model": Format("", write_saved_model, open_saved_model),
    "onnx": Format(".onnx", write_onnx, open_onnx, ("onnx", "tf2onnx", "onnxruntime")),
    "litert": Format(".tflite", write_litert, open_litert, ("ai_edge_litert",)),
}


def require_packages(packages: Iterable[str]) -> None:
    """Refuse to start without the packages that a format needs.

    Args:
        packages: The names of the packages.

    Raises:
        ImportError: If one is missing; the error says how to install it.
    """
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ImportError(f'{package} is missing: pip install "keras-ccl[export]"') from error


def _with_constants(function: Any) -> Any:
    """Return the function with weights and captured tensors as constants.

    tf2onnx would take a captured tensor, such as the mean of a `Normalization`, for an input.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = function.get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)

    @tf.function(input_signature=function.input_signature, autograph=False)
    def constant(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return tf.nest.pack_sequence_as(traced.structured_outputs, frozen(rows))

    return constant


def _layer_of(operation: str) -> str:
    """Return the layer of an operation, from the name of the operation in the graph."""
    return operation.split("@")[0].rpartition("/")[0].removeprefix("PartitionedCall/")


def _listed(lacking: Iterable[tuple[str, str]]) -> str:
    """List operations, each with its layer, for an error."""
    return ", ".join(f"{name} (layer {layer!r})" for name, layer in sorted(lacking))


@contextlib.contextmanager
def _silenced_logger(name: str) -> Iterator[None]:
    """Silence a logger whose messages the caller raises as errors, or knows to be harmless."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
