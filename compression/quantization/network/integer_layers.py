"""Layers that hold integers and compute with them, as an integer engine does; floats only carry them.

A product of integers summed in float32 is exact below 2^24, whatever the order of the sum. So where an engine gives
other logits than these layers, it is the engine's rounding between layers, and not ours within one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.core.quantize_ops import convolve_integers, dequantize_linear, multiply_integers, quantize_linear
from compression.core.selection import HoldsIntegers
from compression.quantization.grid import Grid
from compression.quantization.network.fake_quantize import to_integers
from compression.quantization.observers import MIN_SCALE


@dataclass(frozen=True)
class Product:
    """What a layer does with input, weight and bias: a linear map, or with a stride a convolution."""

    num_axes: int
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1

    @classmethod
    def of(cls, layer: nn.Module) -> "Product":
        """Return the product of a Conv1d, Conv2d or Linear."""
        if isinstance(layer, nn.Linear):
            return cls(0)
        assert isinstance(layer, (nn.Conv1d, nn.Conv2d))
        padding = layer.padding
        if isinstance(padding, str):
            spans = zip(layer.kernel_size, layer.dilation, strict=True)
            padding = tuple(step * (size - 1) // 2 if padding == "same" else 0 for size, step in spans)
        return cls(layer.weight.ndim - 2, layer.stride, padding, layer.dilation, layer.groups)

    def __call__(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the sums of products, ``[B, O, ...]``, or ``[..., O]`` of a linear map."""
        if self.num_axes == 0:
            return F.linear(input, weight, bias)
        convolve = F.conv1d if self.num_axes == 1 else F.conv2d
        result: Tensor = convolve(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        return result

    def of_integers(self, input: Tensor, weight: Tensor, *, input_zero: int) -> Tensor:
        """Return the sums of products of uint8 ``input - input_zero`` and int8 ``weight``, in an engine's words."""
        # Engines have no fast kernel for int8 weights here: as uint8, 128 higher, they are the same integers.
        shifted = (weight.to(torch.int16) + 128).to(torch.uint8)
        if self.num_axes == 0:
            return multiply_integers(input, shifted.t(), input_zero, 128)
        axes = (list(self.stride), list(self.padding), list(self.dilation))
        return convolve_integers(input, shifted, input_zero, 128, *axes, self.groups)

    def by_channel(self, values: Tensor) -> Tensor:
        """Return ``values: [O]`` so that they broadcast against the product's output."""
        return values.reshape(-1, *[1] * self.num_axes)


class IntegerLayer(HoldsIntegers):
    """A convolution or linear layer whose weight is int8 ``[O, ...]`` with a scale for each output channel, float32.

    Its input is on a grid, of which it is told the scale; the bias is int32 in units of input scale times weight scale.
    """

    def __init__(self, product: Product, *, weight: Tensor, weight_scale: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.product = product
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("bias", bias)

    def forward(self, input: Tensor, input_scale: Tensor) -> Tensor:
        """Return the layer's output, float32, of ``input`` on the grid of ``input_scale``, which has no dimensions."""
        unit = input_scale * self.weight_scale
        if torch.compiler.is_exporting():
            bias = dequantize_linear(self.bias, unit, 0)
            return self.product(input, dequantize_linear(self.weight, self.weight_scale, 0), bias)
        integers = torch.round(input * (1.0 / input_scale))
        sums = self.product(integers, self.weight.float(), self.bias.float())
        return sums * self.product.by_channel(unit)


class WeightOnlyLayer(IntegerLayer):
    """A layer whose weight alone is of integers: it is read as float, and the bias is float32."""

    def forward(self, input: Tensor, input_scale: Tensor | None = None) -> Tensor:
        """Return the layer's output, float32, of any ``input``."""
        del input_scale
        return self.product(input, dequantize_linear(self.weight, self.weight_scale, 0), self.bias)


class DynamicLayer(IntegerLayer):
    """A layer that finds the scale of its input in each batch: the largest magnitude over the grid's highest integer.

    So what an image gets hangs on the batch it is in. The bias is float32.
    """

    def __init__(self, product: Product, *, grid: Grid, weight: Tensor, weight_scale: Tensor, bias: Tensor):
        super().__init__(product, weight=weight, weight_scale=weight_scale, bias=bias)
        self.grid = grid

    def forward(self, input: Tensor, input_scale: Tensor | None = None) -> Tensor:
        """Return the layer's output, float32, of any ``input``."""
        del input_scale
        scale = (input.abs().max() / self.grid.high).clamp(min=MIN_SCALE)
        if torch.compiler.is_exporting():
            zero_point = 128 if self.grid.signed else 0
            stored = quantize_linear(input, scale, zero_point, self.grid.low + zero_point, self.grid.high + zero_point)
            sums = self.product.of_integers(stored, self.weight, input_zero=zero_point).float()
        else:
            sums = self.product(to_integers(input, scale, self.grid), self.weight.float(), None)
        outputs = sums * self.product.by_channel(scale * self.weight_scale)
        return outputs + self.product.by_channel(self.bias)


class IntegerQuantizer(nn.Module):
    """Puts an activation on its grid, with the scale that calibration found."""

    def __init__(self, grid: Grid, scale: Tensor) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("scale", scale)

    scale: Tensor

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` rounded."""
        if torch.compiler.is_exporting():
            # Engines want one type: a signed value is an unsigned one 128 higher, the same integer.
            zero_point = 128 if self.grid.signed else 0
            low, high = self.grid.low + zero_point, self.grid.high + zero_point
            return dequantize_linear(quantize_linear(values, self.scale, zero_point, low, high), self.scale, zero_point)
        return to_integers(values, self.scale, self.grid) * self.scale
