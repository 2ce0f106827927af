"""Tests of the operators against numbers worked out by hand and against ONNX's reference evaluator."""

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from compression.core.quantize_ops import convolve_integers, dequantize_linear, multiply_integers, quantize_linear


def by_onnx(op_type, *inputs, **attributes):
    """Return what ONNX's reference evaluator computes for ``inputs``."""
    names = [f"input{k}" for k in range(len(inputs))]
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, inputs, strict=True)
    ]
    output = onnx.helper.make_empty_tensor_value_info("output")
    node = onnx.helper.make_node(op_type, names, ["output"], **attributes)
    graph = onnx.helper.make_graph([node], "one", values, [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    return ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))[0]


def random_bytes(*shape, seed=0):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_quantize_by_hand():
    """Steps of 1/2 around 128. Halves round to the even number; values out of range clamp."""
    values = torch.tensor([-1.0, 0.0, 0.25, 0.5, 0.75, -9.0, 100.0])
    integers = quantize_linear(values, torch.tensor(0.5), 128, 120, 135)
    assert integers.dtype == torch.uint8
    assert integers.tolist() == [126, 128, 128, 129, 130, 120, 135]


def test_quantize_equals_onnx():
    values = torch.linspace(-7, 7, 999)
    expected = by_onnx("QuantizeLinear", values.numpy(), np.array(0.04, np.float32), np.array(100, np.uint8))
    assert quantize_linear(values, torch.tensor(0.04), 100, 0, 255).numpy().tolist() == expected.tolist()


def test_dequantize_by_hand():
    integers = torch.tensor([[126, 128], [0, 255]], dtype=torch.uint8)
    assert dequantize_linear(integers, torch.tensor(0.5), 128).tolist() == [[-1, 0], [-64, 63.5]]
    # A scale for each row.
    scales = torch.tensor([0.5, 2.0])
    assert dequantize_linear(integers, scales, 128).tolist() == [[-1, 0], [-256, 254]]
    biases = torch.tensor([1000, -3], dtype=torch.int32)
    assert dequantize_linear(biases, scales, 0).tolist() == [500, -6]


def test_convolve_by_hand():
    """Values (2, -1) times weights (3, 4), stored with 128 added: 6 - 4 = 2."""
    values = torch.tensor([[[[130, 127]]]], dtype=torch.uint8)
    weight = torch.tensor([[[[131, 132]]]], dtype=torch.uint8)
    sums = convolve_integers(values, weight, 128, 128, [1, 1], [0, 0], [1, 1], 1)
    assert sums.dtype == torch.int32
    assert sums.tolist() == [[[[2]]]]


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 1), (1, 1, 1, 2)]
)
def test_convolve_equals_onnx(stride, padding, dilation, groups):
    """Padding stands for ``value_zero``, whatever integer that is."""
    values, weight = random_bytes(2, 4, 7, 6), random_bytes(6, 4 // groups, 3, 3, seed=1)
    sums = convolve_integers(values, weight, 100, 128, [stride] * 2, [padding] * 2, [dilation] * 2, groups)
    expected = by_onnx(
        "ConvInteger",
        values.numpy(),
        weight.numpy(),
        np.array(100, np.uint8),
        np.array(128, np.uint8),
        strides=[stride] * 2,
        pads=[padding] * 4,
        dilations=[dilation] * 2,
        group=groups,
    )
    assert np.array_equal(sums.numpy(), expected)


def test_convolve_along_one_dimension():
    values, weight = random_bytes(1, 2, 9), random_bytes(3, 2, 3, seed=1)
    flat = convolve_integers(values, weight, 3, 128, [2], [1], [1], 1)
    square = convolve_integers(values[:, :, None], weight[:, :, None], 3, 128, [1, 2], [0, 1], [1, 1], 1)
    assert torch.equal(flat, square.squeeze(2))


def test_multiply_equals_onnx():
    values, weight = random_bytes(3, 5), random_bytes(5, 4, seed=1)
    zeros = (np.array(7, np.uint8), np.array(128, np.uint8))
    expected = by_onnx("MatMulInteger", values.numpy(), weight.numpy(), *zeros)
    assert np.array_equal(multiply_integers(values, weight, 7, 128).numpy(), expected)


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (quantize_linear, (torch.randn(2, 3), torch.tensor(0.1), 128, 0, 255)),
        (dequantize_linear, (random_bytes(2, 3), torch.ones(2), 128)),
        (convolve_integers, (random_bytes(2, 4, 7, 6), random_bytes(6, 4, 3, 3), 1, 2, [2, 1], [1, 0], [1, 2], 1)),
        (multiply_integers, (random_bytes(3, 5), random_bytes(5, 4), 1, 2)),
    ],
    ids=["quantize", "dequantize", "convolve", "multiply"],
)
def test_fake_tensors_have_the_right_shapes_and_types(operator, arguments):
    torch.library.opcheck(operator, arguments, test_utils=("test_schema", "test_faketensor"))
