"""Limits of activations in an ONNX file, moved behind the rounding for OpenVINO."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


def move_limits_(graph: onnx.GraphProto) -> bool:
    """Let each float Clip that only QuantizeLinear reads limit the integers instead; return whether any did.

    Rounding keeps the order of numbers, so both give the same integers. OpenVINO 2026.4 merges the other order wrongly
    for limits other than those of a ReLU.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    outputs, moved = {output.name for output in graph.output}, False
    for clip in [node for node in graph.node if node.op_type == "Clip"]:
        readers = [node for node in graph.node if clip.output[0] in node.input]
        if clip.output[0] in outputs or not readers:
            continue
        if any(node.op_type != "QuantizeLinear" or len(node.input) != 3 for node in readers):
            continue
        used = {name for node in (clip, *readers) for name in node.input[1:] if name}
        if used - set(constants):
            continue
        values = {name: numpy_helper.to_array(constants[name]) for name in used}
        for reader in readers:
            _limit_integers_(graph, reader, clip, values)
        graph.node.remove(clip)
        moved = True
    return moved


def _limit_integers_(
    graph: onnx.GraphProto, reader: onnx.NodeProto, clip: onnx.NodeProto, values: Mapping[str, NDArray[Any]]
) -> None:
    """Let ``reader`` round the input of ``clip``, and limit its integers behind it."""
    scale, zero = (values[name] for name in reader.input[1:])
    limits, info = [], np.iinfo(zero.dtype)
    # An empty name, as a missing one, is no limit.
    for index, (name, end) in enumerate(zip([*clip.input[1:], "", ""], (info.min, info.max), strict=False)):
        integer = np.rint(values[name] / scale) + zero.astype(np.float64) if name else np.asarray(float(end))
        limit = np.clip(integer, info.min, info.max).astype(zero.dtype)
        limits.append(f"{reader.output[0]}_limit_{index}")
        graph.initializer.append(numpy_helper.from_array(limit.reshape(()), limits[-1]))
    output = reader.output[0]
    reader.input[0], reader.output[0] = clip.input[0], f"{output}_before_limits"
    place = next(index for index, node in enumerate(graph.node) if list(node.output) == [reader.output[0]])
    graph.node.insert(place + 1, onnx.helper.make_node("Clip", [reader.output[0], *limits], [output]))
