"""Executed layers: which layers of a quantized ONNX file run in integers, read from ONNX Runtime's optimized graph."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
from onnx import TensorProto

from compression.runtimes.onnxruntime import make_options, open_session

Kind = Literal["convolution", "linear", "other"]

CONVOLUTIONS = {"Conv", "ConvTranspose", "FusedConv", "NhwcConv", "NhwcFusedConv", "QLinearConv", "ConvInteger"}
LINEAR = {"Gemm", "FusedGemm", "QGemm", "MatMul", "FusedMatMul", "QLinearMatMul", "MatMulInteger"} | {
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
}
CONVERSIONS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
# Operators that move values without computing any.
MOVES = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast", "Expand", "Pad", "Slice"} | {
    "Gather",
    "ReorderInput",
    "ReorderOutput",
}
# Integer operators whose results are not 8-bit integers.
WIDE_RESULTS = {
    "ConvInteger": TensorProto.INT32,
    "MatMulInteger": TensorProto.INT32,
    "MatMulIntegerToFloat": TensorProto.FLOAT,
    "DynamicQuantizeMatMul": TensorProto.FLOAT,
}
EIGHT_BITS = {TensorProto.UINT8, TensorProto.INT8}
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
# Suffixes that ONNX Runtime appends to the name of a node when it changes its memory layout.
RENAMED = re.compile(r"(_token_\d+|_nchwc|_nhwc)+$")
QGEMM_OUTPUT_ZERO_POINT = 8


@dataclass(frozen=True)
class Layer:
    """One operator that computes: its ``name`` in the file, its ``weight`` initializer if any, and the operator ``op``.

    ``integer`` says whether it runs in integers.
    """

    name: str
    weight: str | None
    op: str
    kind: Kind
    integer: bool


@dataclass(frozen=True)
class IntegerLayers:
    """The layers in order of execution, and the numbers of remaining conversions between integers and floats.

    ``quantize`` and ``dequantize`` count conversions of activations. ``dequantized_constants`` counts conversions of
    weights and biases; each of these shows that a layer fell back to float.
    """

    layers: tuple[Layer, ...]
    quantize: int
    dequantize: int
    dequantized_constants: int

    def count(self, kind: Kind | None = None, *, integer: bool) -> int:
        """Return the number of layers of ``kind`` (None: all kinds) that run in integers, or in float."""
        return sum(layer.integer == integer and kind in (None, layer.kind) for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return every layer, the counts of each kind and the conversions as plain values."""
        kinds: tuple[Kind, ...] = ("convolution", "linear", "other")
        counts = {
            kind: {"integer": self.count(kind, integer=True), "float": self.count(kind, integer=False)}
            for kind in kinds
        }
        return {**asdict(self), "layers": [asdict(layer) for layer in self.layers], "counts": counts}


def read_integer_layers(source: Path | str) -> IntegerLayers:
    """Return the layers that ONNX Runtime executes for the ONNX file ``source`` on this processor.

    The file is optimized with the same options as in `OnnxRuntime`. Raises InputError when the file does not exist or
    cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options = make_options(threads=1)
        options.optimized_model_filepath = str(path)
        open_session(source, options=options)
        optimized = onnx.load(path)
    return examine_graph(optimized.graph, original=onnx.load(source).graph)


def examine_graph(optimized: onnx.GraphProto, *, original: onnx.GraphProto) -> IntegerLayers:
    """Return the layers of the graph ``optimized``, with the names of the nodes in ``original`` that they replace."""
    types = _infer_types(optimized)
    constants = {tensor.name for tensor in optimized.initializer}
    names = _Names(original)
    layers = []
    conversions = {"quantize": 0, "dequantize": 0, "dequantized_constants": 0}
    for node in optimized.node:
        if node.op_type == "DequantizeLinear":
            conversions["dequantized_constants" if node.input[0] in constants else "dequantize"] += 1
        elif node.op_type in CONVERSIONS:
            conversions["quantize"] += 1
        elif node.op_type not in MOVES and (integer := _is_integer(node, types)) is not None:
            name = names.find(node)
            weight = names.find_weight(name) or _weight(node, constants, {})
            layers.append(Layer(name, weight, node.op_type, _kind(node), integer))
    return IntegerLayers(tuple(layers), **conversions)


def _kind(node: onnx.NodeProto) -> Kind:
    if node.op_type in CONVOLUTIONS:
        return "convolution"
    return "linear" if node.op_type in LINEAR else "other"


def _is_integer(node: onnx.NodeProto, types: dict[str, int]) -> bool | None:
    """Return whether ``node`` computes in 8-bit integers; None if it computes neither in these nor in floats."""
    if _is_quantized(node.op_type):
        return True
    kind = types.get(node.input[0]) if node.input else None
    if kind in EIGHT_BITS:
        return True
    return False if kind in FLOATS else None


def _is_quantized(op: str) -> bool:
    return op.startswith("QLinear") or op == "QGemm" or op in WIDE_RESULTS


def _infer_types(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the element type of every tensor by name.

    The type inference of ONNX cannot be used, because it stops at operators that only ONNX Runtime knows.
    """
    types = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        types |= dict.fromkeys(node.output, _result_type(node, types))
    return types


def _result_type(node: onnx.NodeProto, types: dict[str, int]) -> int:
    op, inputs = node.op_type, node.input
    given = [types.get(name, TensorProto.UNDEFINED) for name in inputs]
    if op in WIDE_RESULTS:
        return WIDE_RESULTS[op]
    if op == "QGemm":
        quantized = len(inputs) > QGEMM_OUTPUT_ZERO_POINT and inputs[QGEMM_OUTPUT_ZERO_POINT] != ""
        return TensorProto.UINT8 if quantized else TensorProto.FLOAT
    if op in ("QuantizeLinear", "DynamicQuantizeLinear"):
        return given[2] if len(given) > 2 else TensorProto.UINT8
    if _is_quantized(op):
        return TensorProto.UINT8
    if op == "DequantizeLinear":
        return given[1]
    if op == "Cast":
        return next(attribute.i for attribute in node.attribute if attribute.name == "to")
    if op in ("Shape", "Size"):
        return TensorProto.INT64
    return given[0] if given else TensorProto.UNDEFINED


class _Names:
    """A lookup from nodes of the optimized graph to the nodes of the original graph that they replace."""

    def __init__(self, original: onnx.GraphProto) -> None:
        self.nodes = {node.name: node for node in original.node}
        self.producers = {output: node for node in original.node for output in node.output}
        self.constants = {tensor.name for tensor in original.initializer}

    def find(self, node: onnx.NodeProto) -> str:
        name = node.name if node.name in self.nodes else RENAMED.sub("", node.name)
        # In the blocked layout, nodes are named after their outputs.
        found = self.nodes.get(name) or self.producers.get(name)
        if found is None:
            return name
        # A convolution may carry the name of the activation that was fused into it.
        kind = _kind(node)
        for source in self._chain(found):
            if _kind(source) == kind:
                return str(source.name)
        return name

    def _chain(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        current: onnx.NodeProto | None = node
        while current is not None:
            yield current
            current = self.producers.get(current.input[0]) if current.input else None

    def find_weight(self, name: str) -> str | None:
        node = self.nodes.get(name)
        return None if node is None else _weight(node, self.constants, self.producers)


def _weight(node: onnx.NodeProto, constants: set[str], producers: dict[str, onnx.NodeProto]) -> str | None:
    """Return the initializer that holds the weight of a convolution or linear layer, found through dequantization.

    Returns None for other operators, and if the weight is not an initializer.
    """
    if _kind(node) == "other":
        return None
    # If quantization is part of the operator, its first inputs are an activation with scale and zero-point.
    index = 3 if node.op_type.startswith("QLinear") or node.op_type == "QGemm" else 1
    name = node.input[index]
    while name not in constants and name in producers:
        name = producers[name].input[0]
    return name if name in constants else None
