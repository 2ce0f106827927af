"""Integer layers, which hold and multiply integers as an integer engine does; float tensors only carry the integers.

Sums of products of integers are exact in float32 below 2^24, in any order. So where the logits of an engine differ from
those of these layers, the cause is its rounding between layers and not the arithmetic within a layer.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.core.quantize_ops import convolve_integers, dequantize_linear, multiply_integers, quantize_linear
from compression.core.selection import HoldsIntegers, RoundsActivations
from compression.quantization.grid import Grid
from compression.quantization.network.fake_quantize import to_integers
from compression.quantization.observers import MIN_SCALE


@dataclass(frozen=True)
class Product:
    """The linear operation of a layer: a linear map if ``num_axes`` is 0, else a convolution over 1 or 2 axes."""

    num_axes: int
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1

    @classmethod
    def of(cls, layer: nn.Module) -> "Product":
        """Return the operation of a Conv1d, Conv2d or Linear."""
        if isinstance(layer, nn.Linear):
            return cls(0)
        assert isinstance(layer, (nn.Conv1d, nn.Conv2d))
        padding = layer.padding
        if isinstance(padding, str):
            spans = zip(layer.kernel_size, layer.dilation, strict=True)
            padding = tuple(step * (size - 1) // 2 if padding == "same" else 0 for size, step in spans)
        return cls(layer.weight.ndim - 2, layer.stride, padding, layer.dilation, layer.groups)

    def __call__(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the output of the operation in floats: ``[B, O, ...]``, or ``[..., O]`` for a linear map."""
        if self.num_axes == 0:
            return F.linear(input, weight, bias)
        convolve = F.conv1d if self.num_axes == 1 else F.conv2d
        result: Tensor = convolve(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        return result

    def of_integers(self, input: Tensor, weight: Tensor, *, input_zero: int) -> Tensor:
        """Return the sums of products of (uint8 ``input`` less ``input_zero``) and int8 ``weight``, as integers."""
        # Engines have no fast kernel for int8 weights here, so they become uint8 with the zero-point 128.
        shifted = (weight.to(torch.int16) + 128).to(torch.uint8)
        if self.num_axes == 0:
            return multiply_integers(input, shifted.t(), input_zero, 128)
        axes = (list(self.stride), list(self.padding), list(self.dilation))
        return convolve_integers(input, shifted, input_zero, 128, *axes, self.groups)

    def by_channel(self, values: Tensor) -> Tensor:
        """Return ``values: [O]`` in a shape that broadcasts against the output of the operation."""
        return values.reshape(-1, *[1] * self.num_axes)


class IntegerLayer(HoldsIntegers):
    """A convolution or linear layer with an int8 weight ``[O, ...]`` and a float32 scale for each output channel.

    Its input is already rounded to a grid, whose scale is an argument of ``forward``. The bias is int32, in units of
    input scale times weight scale. ``bias_step`` is for its file: see ``stored_vectors``.
    """

    reads: ClassVar[Literal["rounded", "batch", "floats"]] = "rounded"

    def __init__(
        self, product: Product, *, weight: Tensor, weight_scale: Tensor, bias: Tensor, bias_step: Tensor | None = None
    ) -> None:
        super().__init__()
        self.product = product
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("bias", bias)
        self.register_buffer("bias_step", bias_step)

    def forward(self, input: Tensor, input_scale: Tensor) -> Tensor:
        """Return the float32 output for ``input`` on the grid with the scale ``input_scale``, a scalar tensor."""
        unit = input_scale * self.weight_scale
        if torch.compiler.is_exporting():
            bias = dequantize_linear(self.bias, unit, 0)
            return self.product(input, dequantize_linear(self.weight, self.weight_scale, 0), bias)
        integers = torch.round(input * (1.0 / input_scale))
        sums = self.product(integers, self.weight.float(), self.bias.float())
        return sums * self.product.by_channel(unit)


class WeightOnlyLayer(IntegerLayer):
    """A layer with an integer weight that computes in float; the bias is float32."""

    reads = "floats"

    def forward(self, input: Tensor, input_scale: Tensor | None = None) -> Tensor:
        """Return the float32 output for a float ``input``; ``input_scale`` is ignored."""
        del input_scale
        return self.product(input, dequantize_linear(self.weight, self.weight_scale, 0), self.bias)


class DynamicLayer(IntegerLayer):
    """A layer that computes the scale of its input from each batch: the largest magnitude over the largest integer.

    A prediction therefore depends on the other images in its batch. The bias is float32.
    """

    reads = "batch"

    def __init__(self, product: Product, *, grid: Grid, **tensors: Any) -> None:
        super().__init__(product, **tensors)
        self.grid = grid

    def forward(self, input: Tensor, input_scale: Tensor | None = None) -> Tensor:
        """Return the float32 output for a float ``input``; ``input_scale`` is ignored."""
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


class IntegerQuantizer(RoundsActivations):
    """A quantizer that rounds an activation to its grid, with the scale from calibration."""

    def __init__(self, grid: Grid, scale: Tensor) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("scale", scale)

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` rounded to the grid, as floats of the same shape."""
        if torch.compiler.is_exporting():
            # Engines need one type, so signed integers are stored as unsigned ones with the zero-point 128.
            zero_point = 128 if self.grid.signed else 0
            low, high = self.grid.low + zero_point, self.grid.high + zero_point
            # ONNX rounds no float64, and the integers are the same.
            values = values if values.dtype == torch.float32 else values.float()
            return dequantize_linear(quantize_linear(values, self.scale, zero_point, low, high), self.scale, zero_point)
        return to_integers(values, self.scale, self.grid) * self.scale
