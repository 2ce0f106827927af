"""ONNX export: a model as an ONNX file, with class names, image size and normalization in its metadata."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript import opset18 as op
from torch import fx, nn

from compression.core import quantize_ops  # noqa: F401 - registers the operators
from compression.core.adapted_network import find_logits
from compression.core.errors import InputError
from compression.core.preparation import Preparation
from compression.core.tracing import trace
from compression.runtimes.onnx_metadata import write_with_metadata

INPUT = "input"
OUTPUT = "logits"


def export_onnx(
    model: nn.Module,
    path: Path | str,
    *,
    image_size: int,
    class_names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    preparation: Preparation | None = None,
) -> int:
    """Write ``model`` to ``path`` and return the size of the file in bytes.

    The input is ``input: [batch, C, image_size, image_size]``, normalized by mean and std per channel. The output is
    ``logits: [batch, num_classes]``. Any batch size works. Everything that ``model`` does not quantize is FP32, and
    batch norm is folded into convolutions. Quantized layers stand between QuantizeLinear and DequantizeLinear; signed
    activations are unsigned with the zero-point 128. The metadata holds ``class_names``, ``image_size``, ``mean`` and
    ``std`` as JSON, and the fields of ``preparation``: how an image file becomes pixels. Equal models give equal bytes.
    """
    # With channels_last, global pooling would be exported as a mean and a permutation of its result.
    exported = copy.deepcopy(model).cpu().eval().to(memory_format=torch.contiguous_format)
    _write_to_new_tensors_(exported, torch.Size((2, len(mean), image_size, image_size)))
    # Two images, because torch.export would treat a batch size of one as a constant.
    images = torch.zeros(2, len(mean), image_size, image_size)
    try:
        program = _export(exported, images)
    except Exception:
        # The exporter fails on a view of a tensor whose strides it guesses wrongly. A traced network reshapes instead.
        if isinstance(exported, fx.GraphModule):
            raise
        try:
            graph = trace(exported)
        except InputError:
            graph = None
        if graph is None:
            raise
        program = _export(graph, images)
    assert program is not None
    proto = program.model_proto
    _pool_globally(proto.graph)
    _drop_unused_initializers(proto.graph)
    _strip(proto)
    metadata = {
        "class_names": list(class_names),
        "image_size": image_size,
        "mean": list(mean),
        "std": list(std),
        **(preparation or Preparation(channels=len(mean))).to_json(),
    }
    return write_with_metadata(proto, path, metadata)


def _export(model: nn.Module, images: torch.Tensor) -> Any:
    with _quiet():
        return torch.onnx.export(
            model,
            (images,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            custom_translation_table=_translations(),
            external_data=False,
            verbose=False,
        )


@torch.no_grad()
def _write_to_new_tensors_(model: nn.Module, shape: torch.Size) -> None:
    """Let activations write to new tensors, with which the exporter needs half the time.

    A network may read what an activation has overwritten. If images of ``shape`` show that, nothing changes.
    """
    found = [
        module
        for module in model.modules()
        if type(module).__module__.startswith("torch.nn.") and getattr(module, "inplace", False) is True
    ]
    if not found:
        return
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = find_logits(model(images.clone()))
    for module in found:
        module.inplace = False  # type: ignore[assignment]
    if not torch.allclose(find_logits(model(images)), expected, equal_nan=True):
        for module in found:
            module.inplace = True  # type: ignore[assignment]


def _translations() -> dict[Any, Any]:
    """Return the ONNX translations of the operators of quantized networks, for any range of integers."""

    def quantize(values: Any, scale: Any, zero_point: int, low: int, high: int) -> Any:
        integers = op.QuantizeLinear(values, scale, _uint8(zero_point))
        return integers if (low, high) == (0, 255) else op.Clip(integers, _uint8(low), _uint8(high))

    def dequantize(integers: Any, scale: Any, zero_point: int) -> Any:
        dtype = integers.dtype.numpy()
        if dtype == np.int32:
            return op.DequantizeLinear(integers, scale, axis=0)
        # ONNX Runtime fuses a linear layer only if its weights have an explicit zero-point, although 0 is the default.
        zeros = np.full(tuple(scale.shape), zero_point, dtype)
        return op.DequantizeLinear(integers, scale, op.Constant(value=onnx.numpy_helper.from_array(zeros)), axis=0)

    def convolve(
        values: Any,
        weight: Any,
        value_zero: int,
        weight_zero: int,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> Any:
        axes: Any = {"strides": stride, "pads": [*padding, *padding], "dilations": dilation}
        return op.ConvInteger(values, weight, _uint8(value_zero), _uint8(weight_zero), group=groups, **axes)

    def multiply(values: Any, weight: Any, value_zero: int, weight_zero: int) -> Any:
        return op.MatMulInteger(values, weight, _uint8(value_zero), _uint8(weight_zero))

    known = torch.ops.compression
    return {
        known.quantize_linear.default: quantize,
        known.dequantize_linear.default: dequantize,
        known.convolve_integers.default: convolve,
        known.multiply_integers.default: multiply,
    }


def _uint8(value: int) -> Any:
    return op.Constant(value=onnx.helper.make_tensor("", onnx.TensorProto.UINT8, [], [value]))


def _pool_globally(graph: onnx.GraphProto) -> None:
    """Replace means over height and width by GlobalAveragePool, for which engines have integer kernels."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "ReduceMean" or len(node.input) != 2:
            continue
        keeps = all(attribute.i for attribute in node.attribute if attribute.name == "keepdims")
        axes = onnx.numpy_helper.to_array(constants[node.input[1]]) if node.input[1] in constants else np.empty(0)
        if keeps and sorted(axes % 4) == [2, 3]:
            node.op_type = "GlobalAveragePool"
            del node.input[1], node.attribute[:]


def _drop_unused_initializers(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _strip(proto: onnx.ModelProto) -> None:
    """Remove the exporter's debugging notes: stack traces with local paths, which are 15 % of a small file."""
    graph = proto.graph
    graph.ClearField("metadata_props")
    graph.ClearField("value_info")
    proto.ClearField("doc_string")
    proto.ClearField("producer_version")
    parts: list[Any] = [graph, *graph.input, *graph.output, *graph.initializer, *graph.node, *proto.functions]
    for part in parts:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # The exporter prints its progress, logs about operators of missing packages, and warns of deprecations within torch
    # and onnxscript. A user can act on none of these.
    level = logging.root.manager.disable
    out, err = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with out, err, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)
