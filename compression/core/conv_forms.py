"""Exact forms of convolutions for training on a CPU.

oneDNN computes the gradients of a convolution slowly when the image has shrunk to very few pixels. The forms here
compute the same sums, equal up to float32 rounding, with the same parameters. ``experiments/training_throughput``
measures them. The choice depends on shapes alone: never on a clock, nor on the instruction set.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from compression.core.eval_mode import evaluating

# The largest number of pixels of an input at which each form is faster than oneDNN, with AVX2 and with AVX-512.
_ROWS_PIXELS, _SUMS_PIXELS = 1, 4


class RowsConv2d(nn.Conv2d):
    """A convolution of 1x1 kernels as one matrix product over all pixels of the batch."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``[B, O, H, W]`` for ``input: [B, I, H, W]``."""
        pixels = input.permute(0, 2, 3, 1)
        rows = functional.linear(pixels.reshape(-1, self.in_channels), self.weight.flatten(1), self.bias)
        return rows.view(*pixels.shape[:3], self.out_channels).permute(0, 3, 1, 2)


class SumsConv2d(nn.Conv2d):
    """A depthwise convolution as a sum over kernel positions; most of these lie in the padding of a tiny image."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``[B, C, H', W']`` for ``input: [B, C, H, W]``."""
        pixels = input.permute(0, 2, 3, 1).contiguous()
        summed: Tensor = _DepthwiseSums.apply(pixels, self.weight, self.stride, self.padding)
        if self.bias is not None:
            summed = summed + self.bias
        return summed.permute(0, 3, 1, 2)


FORMS: dict[str, type[nn.Conv2d]] = {"rows": RowsConv2d, "sums": SumsConv2d}


def choose_forms(net: nn.Module, example: Tensor) -> dict[str, str]:
    """Return the form of each convolution of ``net`` that has a faster one for images like ``example: [B, C, H, W]``.

    Other convolutions are left out. A convolution that runs at several sizes gets the form of the largest.
    """
    sizes: dict[str, tuple[int, int]] = {}
    hooks = []

    def note(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        del module
        height, width = inputs[0].shape[-2:]
        sizes[name] = max(sizes.get(name, (0, 0)), (height, width), key=lambda size: size[0] * size[1])

    for name, module in net.named_modules():
        if type(module) is nn.Conv2d:
            hooks.append(module.register_forward_pre_hook(lambda *call, name=name: note(name, *call)))
    try:
        with evaluating(net), torch.no_grad():
            net(example)
    finally:
        for hook in hooks:
            hook.remove()
    forms = {name: _form_of(net.get_submodule(name), height * width) for name, (height, width) in sizes.items()}
    return {name: form for name, form in forms.items() if form is not None}


def _form_of(conv: nn.Module, pixels: int) -> str | None:
    assert isinstance(conv, nn.Conv2d)
    plain = conv.dilation == (1, 1) and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    if not plain:
        return None
    if conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0) and conv.groups == 1:
        return "rows" if pixels <= _ROWS_PIXELS else None
    if conv.groups == conv.in_channels == conv.out_channels > 1:
        return "sums" if pixels <= _SUMS_PIXELS else None
    return None


@contextmanager
def using_forms(net: nn.Module, forms: Mapping[str, str]) -> Iterator[None]:
    """Let the convolutions of ``net`` named in ``forms`` compute in these forms within the block."""
    modules = {name: net.get_submodule(name) for name in forms}
    for name, form in forms.items():
        assert type(modules[name]) is nn.Conv2d, f"{name} is {type(modules[name]).__name__}, no plain convolution"
        modules[name].__class__ = FORMS[form]
    try:
        yield
    finally:
        for module in modules.values():
            module.__class__ = nn.Conv2d


class _DepthwiseSums(torch.autograd.Function):
    """``y[b, h, w, c] = sum over (i, j) of x[b, s h + i - p, s w + j - p, c] * k[c, i, j]``, without the padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        taps = _taps(weight)
        out = [
            (size + 2 * pad - kernel) // step + 1
            for size, pad, kernel, step in zip(x.shape[1:3], padding, taps.shape[:2], stride, strict=True)
        ]
        y = x.new_zeros((x.shape[0], *out, x.shape[3]))
        for (i, j), read, write in _shifts(x.shape[1:3], out, taps.shape[:2], stride, padding):
            y[write].addcmul_(x[read], taps[i, j])
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, weight = ctx.saved_tensors
        grad_y, taps = gradients[0].contiguous(), _taps(weight)
        grad_x, grad_taps = torch.zeros_like(x), torch.zeros_like(taps)
        for (i, j), read, write in _shifts(x.shape[1:3], grad_y.shape[1:3], taps.shape[:2], *ctx.geometry):
            part = grad_y[write]
            grad_x[read].addcmul_(part, taps[i, j])
            grad_taps[i, j] = (part * x[read]).sum((0, 1, 2))
        return grad_x, grad_taps.permute(2, 0, 1).reshape(weight.shape), None, None


def _taps(weight: Tensor) -> Tensor:
    """Return ``[kH, kW, C]`` of a depthwise ``weight: [C, 1, kH, kW]``."""
    return weight.detach().squeeze(1).permute(1, 2, 0).contiguous()


Slices = tuple[slice, slice, slice]


def _shifts(
    size: tuple[int, ...], out: Any, kernel: Any, stride: tuple[int, int], padding: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], Slices, Slices]]:
    """Yield each kernel position that meets the image: the position, the pixels it reads, and those it adds to."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            ranges = [_range(*axis) for axis in zip(size, out, (i, j), stride, padding, strict=True)]
            if all(read.start < read.stop for read, _ in ranges):
                (read_h, write_h), (read_w, write_w) = ranges
                yield (i, j), (slice(None), read_h, read_w), (slice(None), write_h, write_w)


def _range(size: int, out: int, offset: int, stride: int, padding: int) -> tuple[slice, slice]:
    """Return the input and output positions along one axis that are ``offset`` apart, which may be empty."""
    first = max(0, -((offset - padding) // stride))
    last = min(out - 1, (size - 1 + padding - offset) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    start = first * stride + offset - padding
    return slice(start, (last - first) * stride + start + 1, stride), slice(first, last + 1)
