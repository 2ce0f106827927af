"""Quantization operators of ONNX as torch operators, for the export of quantized networks.

Torch's own exporter knows only the ranges 0..127, 0..255 and -128..127, and folds any other quantization away.
"""

import torch
from torch import Tensor


@torch.library.custom_op("compression::quantize_linear", mutates_args=())
def quantize_linear(values: Tensor, scale: Tensor, zero_point: int, low: int, high: int) -> Tensor:
    """Return ``clamp(round(values / scale) + zero_point, low, high)`` as uint8, in the shape of ``values``.

    ``scale`` is a scalar. Halves round to the even integer.
    Source: QuantizeLinear of the ONNX standard, version 13, followed by Clip if low..high is not 0..255.
    """
    return torch.round(values / scale).add_(zero_point).clamp_(low, high).to(torch.uint8)


@quantize_linear.register_fake
def _(values: Tensor, scale: Tensor, zero_point: int, low: int, high: int) -> Tensor:
    del scale, zero_point, low, high
    return torch.empty_like(values, dtype=torch.uint8)


@torch.library.custom_op("compression::dequantize_linear", mutates_args=())
def dequantize_linear(integers: Tensor, scale: Tensor, zero_point: int) -> Tensor:
    """Return ``(integers - zero_point) * scale`` as float32, in the shape of ``integers``.

    ``scale`` is a scalar, or ``[O]`` with one scale for each index of the first dimension.
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
    """Return the convolution of ``values - value_zero`` with ``weight - weight_zero``, int32 ``[B, O, ...]``.

    ``values: [B, I, W]`` or ``[B, I, H, W]`` and ``weight: [O, I, ...]`` are uint8. Padding stands for ``value_zero``.
    Sums are computed in float32, so they are exact below 2^24. Source: ConvInteger of the ONNX standard, version 10.
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
    """Return ``(values - value_zero) @ (weight - weight_zero)``, int32 ``[..., O]``.

    ``values: [..., I]`` and ``weight: [I, O]`` are uint8. Sums are computed in float32, so they are exact below 2^24.
    Source: MatMulInteger of the ONNX standard, version 10.
    """
    return ((values.float() - value_zero) @ (weight.float() - weight_zero)).to(torch.int32)


@multiply_integers.register_fake
def _(values: Tensor, weight: Tensor, value_zero: int, weight_zero: int) -> Tensor:
    del value_zero, weight_zero
    return (values.float() @ weight.float()).to(torch.int32)
