"""8-bit weights for an ONNX file: a quarter of the size, the same operations.

Each large weight is stored as int8 with one scale per channel, and converted back to float32 when
the file is loaded. Activations stay float32: rounding z would spoil the familiarity, and dynamic
quantization in ONNX Runtime does not cover the transposed convolutions of a convolutional decoder.
"""

from pathlib import Path

import numpy as np

SMALLEST = 256
"""Weights with fewer elements stay float32: their scales would outweigh the saving."""

CHANNEL_AXES = {"MatMul": 1, "Gemm": 1, "Conv": 0, "ConvTranspose": 1}
"""The operations whose second input is quantized, and the channel axis of that input."""


def quantize(source: Path, target: Path) -> None:
    """Write an ONNX file with int8 weights.

    Args:
        source: The ONNX file to quantize.
        target: The ONNX file to write.
    """
    import onnx

    proto = onnx.load(str(source))
    graph = proto.graph
    axes = {
        node.input[1]: CHANNEL_AXES[node.op_type]
        for node in graph.node
        if node.op_type in CHANNEL_AXES
    }
    kept, added, nodes = [], [], []
    for tensor in graph.initializer:
        weight = onnx.numpy_helper.to_array(tensor)
        if tensor.name not in axes or weight.dtype != np.float32 or weight.size < SMALLEST:
            kept.append(tensor)
            continue
        axis = axes[tensor.name]
        names = (f"{tensor.name}/int8", f"{tensor.name}/scale")
        parts = dict(zip(names, round_to_int8(weight, axis), strict=True))
        added += [onnx.numpy_helper.from_array(value, name) for name, value in parts.items()]
        nodes.append(
            onnx.helper.make_node("DequantizeLinear", list(parts), [tensor.name], axis=axis)
        )
    del graph.initializer[:]
    graph.initializer.extend(kept + added)
    nodes += list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, str(target))


def round_to_int8(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Round a weight to 8 bits.

    Args:
        weight: The float32 weight.
        axis: The axis of its C channels.

    Returns:
        The int8 values in [-127, 127], of the shape of the weight.
        The scale of each channel, `[C]` float32, by which to multiply them.
    """
    others = tuple(a for a in range(weight.ndim) if a != axis)
    scale = np.abs(weight).max(axis=others) / 127
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    shape = [-1 if a == axis else 1 for a in range(weight.ndim)]
    return np.round(weight / scale.reshape(shape)).astype(np.int8), scale
