"""Limits behind the rounding give the integers of limits before it."""

import numpy as np
import onnx
import pytest
import torch
from integer_nets import plan_of, rounding, to_integers
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from compression.runtimes.onnx_export import export_onnx
from compression.runtimes.onnxruntime import OnnxRuntime
from compression.runtimes.openvino import OpenVinoRuntime
from compression.runtimes.openvino_limits import move_limits_


def make_model(low, high, *, more=()):
    """Return an ONNX model that limits and rounds its input, and then gives floats again."""
    ends = {"low": low, "high": high}
    constants = [numpy_helper.from_array(np.float32(value), name) for name, value in ends.items() if value is not None]
    constants += [numpy_helper.from_array(np.float32(0.05), "scale"), numpy_helper.from_array(np.uint8(128), "zero")]
    limits = [name if value is not None else "" for name, value in ends.items()]
    nodes = [
        helper.make_node("Clip", ["input", *limits], ["limited"]),
        helper.make_node("QuantizeLinear", ["limited", "scale", "zero"], ["integers"]),
        helper.make_node("DequantizeLinear", ["integers", "scale", "zero"], ["logits"]),
        *more,
    ]
    size = ["batch", 3, 4, 4]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name in ("input", "logits")]
    graph = helper.make_graph(nodes, "graph", [ends[0]], [ends[1]], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model, path, images):
    onnx.save(model, path)
    return OnnxRuntime().load(path, threads=1)(images)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 6), (-1.23, 2.34), (None, 0.5), (0.1, None), (-99, 99)])
def test_integers_are_the_same(tmp_path, low, high):
    images = np.linspace(-8, 8, 96, dtype=np.float32).reshape(2, 3, 4, 4)
    model = make_model(low, high)
    expected = run(model, tmp_path / "before.onnx", images)
    assert move_limits_(model.graph)
    assert [node.op_type for node in model.graph.node] == ["QuantizeLinear", "Clip", "DequantizeLinear"]
    onnx.checker.check_model(model)
    assert np.array_equal(run(model, tmp_path / "after.onnx", images), expected)


def test_a_limit_that_others_read_stays():
    model = make_model(-1, 1, more=[helper.make_node("Relu", ["limited"], ["other"])])
    before = model.SerializeToString()
    assert not move_limits_(model.graph)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("activation", [nn.Hardtanh(), nn.Hardtanh(0, 6), nn.Hardtanh(-1, 2)])
def test_openvino_gives_the_logits_of_the_integer_network(tmp_path, activation):
    pytest.importorskip("openvino")
    torch.manual_seed(0)
    convolutions = (nn.Conv2d(3, 8, 3, padding=1), activation, nn.Conv2d(8, 8, 3))
    model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(8 * 36, 5)).eval()
    with torch.no_grad():
        model[0].weight.mul_(4)
    images = torch.randn(32, 3, 8, 8)
    network = to_integers(model, rounding(model, plan_of(model), [(images, None)]), plan_of(model))
    normalization = {"mean": [0.0] * 3, "std": [1.0] * 3}
    export_onnx(network, tmp_path / "m.onnx", image_size=8, class_names=list("abcde"), **normalization)
    with torch.inference_mode():
        expected = network(images).numpy()
    found = OpenVinoRuntime().load(tmp_path / "m.onnx", threads=1)(images.numpy())
    assert np.abs(found - expected).max() <= 0.005 * np.abs(expected).max()
