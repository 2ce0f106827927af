"""Convolutions, linear layers and batch norms."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.batch_norm import fold_factors
from compression.runtimes.sparse.handlers.call import Call, pair
from compression.runtimes.sparse.layout import OUTSIDE, reach_window
from compression.runtimes.sparse.program import Convolution, Map, Window


def convolution(call: Call) -> Map:
    """A convolution."""
    weight, bias, groups = call.given("weight"), call.given("bias"), call.given("groups", 1)
    if call.given("padding_mode", "zeros") != "zeros":
        raise call.refuse(f"with padding_mode={call.given('padding_mode')}")
    if not isinstance(weight, Tensor):
        raise call.refuse("with computed weights")
    kernel, dilation = pair(weight.shape[2:]), pair(call.given("dilation", 1))
    padding = call.given("padding", 0)
    if padding == "same":
        # PyTorch adds the odd pixel after the map.
        padding = tuple(step * (size - 1) // 2 for size, step in zip(kernel, dilation, strict=True))
    elif padding == "valid":
        padding = 0
    window = Window(kernel=kernel, stride=pair(call.given("stride", 1)), padding=pair(padding), dilation=dilation)
    source, target = call.pixels(), call.target()
    check_reach(call, source, target, window)
    return call.add(
        Convolution(
            source=source,
            target=target,
            weight=weight.detach().double().numpy(),
            bias=_bias(bias, len(weight)),
            window=window,
            groups=int(groups),
        )
    )


def check_reach(call: Call, source: Map, target: Map, window: Window) -> None:
    """Raise InputError for a window that never meets a pixel of ``source``."""
    if any((places == OUTSIDE).all() for places in reach_window(source, target, window)):
        raise call.refuse("whose weights meet only padding")


def linear(call: Call) -> Map:
    """A linear layer is a convolution whose kernel is as large as the map that was flattened."""
    source, weight, bias = call.source, call.given("weight"), call.given("bias")
    [first, *_] = call.node.all_input_nodes
    if not isinstance(weight, Tensor) or call.results[first].ndim != 2:
        raise call.refuse(f"of a tensor of shape {list(call.results[first].shape)}")
    values = weight.detach().double().numpy().reshape(len(weight), *source.shape)
    window = Window(kernel=(source.height, source.width))
    return call.add(
        Convolution(source=source, target=call.target(), weight=values, bias=_bias(bias, len(weight)), window=window)
    )


def _bias(bias: Any, size: int) -> Any:
    return np.zeros(size) if bias is None else bias.detach().double().numpy()


def batch_norm(call: Call) -> Map:
    """A batch norm, with its running statistics."""
    assert isinstance(call.module, _BatchNorm)
    if call.module.running_mean is None:
        raise call.refuse("without running statistics")
    return call.scale(call.source, *(values.detach() for values in fold_factors(call.module)))


def batch_norm_function(call: Call) -> Map:
    """A batch norm that is called as a function."""
    mean, variance, weight, bias = (call.given(name) for name in ("running_mean", "running_var", "weight", "bias"))
    if call.given("training", False) or not isinstance(mean, Tensor):
        raise call.refuse("without running statistics")
    factor = 1 / torch.sqrt(variance.detach().double() + call.given("eps", 1e-5))
    factor = factor if weight is None else factor * weight.detach().double()
    shift = -mean.detach().double() * factor
    return call.scale(call.source, factor, shift if bias is None else shift + bias.detach().double())
