"""Inputs and outputs of a layer at single positions, where every layer is a matrix product."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.quantization.network.layerwise import Layer


def num_positions(layer: Layer, output: Tensor) -> int:
    """Return the number of positions in ``output`` of ``layer`` per image: pixels, or tokens of a linear layer."""
    return by_position(layer, output).shape[1]


def by_position(layer: Layer, output: Tensor) -> Tensor:
    """Return ``output`` of ``layer`` as ``[B, positions, O]``."""
    if isinstance(layer, nn.Linear):
        return output.reshape(len(output), -1, output.shape[-1])
    return output.flatten(2).transpose(1, 2)


def outputs_at(layer: Layer, output: Tensor, positions: Tensor) -> Tensor:
    """Return ``output`` of ``layer`` at ``positions: [B, P]``, as ``[B, P, O]``."""
    return by_position(layer, output)[_images(positions), positions]


def patches_at(layer: Layer, input: Tensor, positions: Tensor, *, output: Tensor) -> Tensor:
    """Return the inputs from which ``layer`` computes its outputs at ``positions: [B, P]``, as ``[B, P, groups, K]``.

    ``K = I / groups * kH * kW`` is the length of a row of the flattened weight. The output is ``patches @ weight`` of
    the same group, plus the bias. Only the shape of ``output`` is used.
    """
    if isinstance(layer, nn.Linear):
        return input.reshape(len(input), -1, input.shape[-1])[_images(positions), positions][:, :, None]
    padded = F.pad(input, layer._reversed_padding_repeated_twice)
    if padded.ndim == 3:
        padded = padded[:, :, None]
    width = output.shape[-1]
    kernel, stride, dilation = (_pair(each) for each in (layer.kernel_size, layer.stride, layer.dilation))
    rows = _window(positions // width, kernel[0], stride[0], dilation[0])[..., :, None]
    columns = _window(positions % width, kernel[1], stride[1], dilation[1])[..., None, :]
    # Indexing on both sides of a slice puts the sliced axis, the channel, last; it is moved before the kernel axes.
    patches = padded[_images(positions)[..., None, None], :, rows, columns].movedim(-1, 2)
    return patches.reshape(*positions.shape, layer.groups, -1)


def draw_positions(num_images: int, num_positions: int, *, wanted: int, generator: torch.Generator) -> Tensor:
    """Return positions ``[B, P]``: all of them if at most ``wanted`` exist, else ``wanted`` random ones per image."""
    if num_positions <= wanted:
        return torch.arange(num_positions).expand(num_images, -1)
    order = torch.rand(num_images, num_positions, generator=generator)
    return order.argsort(dim=1)[:, :wanted]


def _images(positions: Tensor) -> Tensor:
    return torch.arange(len(positions), device=positions.device)[:, None]


def _window(position: Tensor, kernel: int, stride: int, dilation: int) -> Tensor:
    return position[..., None] * stride + torch.arange(kernel, device=position.device) * dilation


def _pair(values: tuple[int, ...]) -> tuple[int, ...]:
    return values if len(values) == 2 else (1, *values)
