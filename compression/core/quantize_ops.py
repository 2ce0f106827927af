"""ONNX's quantizing operators as torch operators: what the exporter meets in a quantized network.

They exist because torch's own exporter knows only the ranges 0..127, 0..255 and -128..127 and folds the rest away.
"""

import torch
from torch import Tensor


@torch.library.custom_op("compression::quantize_linear", mutates_args=())
def quantize_linear(values: Tensor, scale: Tensor, zero_point: int, low: int, high: int) -> Tensor:
    """Return ``clamp(round(values / scale) + zero_point, low, high)`` as uint8; ``scale`` has no dimensions.

    Source: QuantizeLinear of the ONNX standard, version 13, and Clip where low..high is not 0..255.
    """
    return torch.round(values / scale).add_(zero_point).clamp_(low, high).to(torch.uint8)


@quantize_linear.register_fake
def _(values: Tensor, scale: Tensor, zero_point: int, low: int, high: int) -> Tensor:
    del scale, zero_point, low, high
    return torch.empty_like(values, dtype=torch.uint8)


@torch.library.custom_op("compression::dequantize_linear", mutates_args=())
def dequantize_linear(integers: Tensor, scale: Tensor, zero_point: int) -> Tensor:
    """Return ``(integers - zero_point) * scale``; ``scale`` has no dimensions, or one for each of the first axis.

    Source: DequantizeLinear of the ONNX standard, version 13.
    """
    shape = (-1, *[1] * (integers.ndim - 1)) if scale.ndim else ()
    return (integers.float() - zero_point) * scale.reshape(shape)


@dequantize_linear.register_fake
def _(integers: Tensor, scale: Tensor, zero_point: int) -> Tensor:
    del scale, zero_point
    return torch.empty_like(integers, dtype=torch.float32)


@torch.library.custom_op("compression::convolve_integers", mutates_args=())
def convolve_integers(
    values: Tensor,
    weight: Tensor,
    value_zero: int,
    weight_zero: int,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    """Return the convolution of ``values - value_zero`` ``[B, I, ...]`` with ``weight - weight_zero`` ``[O, I, ...]``.

    Both are uint8, the sums int32, and exact below 2^24. Source: ConvInteger of the ONNX standard, version 10.
    """
    convolve = torch.nn.functional.conv1d if weight.ndim == 3 else torch.nn.functional.conv2d
    sums: Tensor = convolve(
        values.float() - value_zero, weight.float() - weight_zero, None, stride, padding, dilation, groups
    )
    return sums.to(torch.int32)


@convolve_integers.register_fake
def _(
    values: Tensor,
    weight: Tensor,
    value_zero: int,
    weight_zero: int,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    del value_zero, weight_zero
    convolve = torch.nn.functional.conv1d if weight.ndim == 3 else torch.nn.functional.conv2d
    sums: Tensor = convolve(values.float(), weight.float(), None, stride, padding, dilation, groups)
    return sums.to(torch.int32)


@torch.library.custom_op("compression::multiply_integers", mutates_args=())
def multiply_integers(values: Tensor, weight: Tensor, value_zero: int, weight_zero: int) -> Tensor:
    """Return ``(values - value_zero) @ (weight - weight_zero)``, int32 ``[..., O]``, of uint8 ``[..., I]``, ``[I, O]``.

    Source: MatMulInteger of the ONNX standard, version 10.
    """
    return ((values.float() - value_zero) @ (weight.float() - weight_zero)).to(torch.int32)


@multiply_integers.register_fake
def _(values: Tensor, weight: Tensor, value_zero: int, weight_zero: int) -> Tensor:
    del value_zero, weight_zero
    return (values.float() @ weight.float()).to(torch.int32)
