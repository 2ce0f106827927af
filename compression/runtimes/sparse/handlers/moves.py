"""Operations that move values, or drop some, and compute none."""

import numpy as np
import torch
from torch import fx

from compression.runtimes.sparse.handlers.call import Call
from compression.runtimes.sparse.handlers.layers import check_reach
from compression.runtimes.sparse.program import Convolution, Copy, Map, Window

# What cuts a map into parts.
_CUTS = ("chunk", "split", "tensor_split", torch.chunk, torch.split, torch.tensor_split)


def pass_on(call: Call) -> Map:
    """Nothing is done."""
    return call.source


def dropout(call: Call) -> Map:
    """Nothing is done in evaluation mode, unless a function is asked for training."""
    if call.module is None and call.given("training", True):
        raise call.refuse("with training=True")
    return call.source


def flatten(call: Call) -> Map:
    """A map in memory is already in the order of its flattened values, so flattening does nothing."""
    source = call.source
    shape = list(call.result.shape)
    if shape[0] == 1 and shape[1:] in ([source.channels * source.positions], list(source.shape)):
        return source
    if source.positions == 1 and shape == [1, source.channels, 1, 1]:
        return source
    raise call.refuse(f"to shape {shape}")


def concatenate(call: Call) -> Map:
    """Maps one after the other, along their channels."""
    parts = call.given("tensors")
    if call.given("dim", 0) not in (1, 1 - call.result.ndim) or not all(isinstance(part, Map) for part in parts):
        raise call.refuse("along another axis than channels")
    target = call.target()
    if any((part.height, part.width) != (target.height, target.width) for part in parts):
        raise call.refuse("of flattened maps")
    first = 0
    for part in parts:
        call.add(Copy(source=part, target=target, channels=part.channels, to=first))
        first += part.channels
    return target


def get_item(call: Call) -> Map:
    """A part of a map that was cut along its channels by chunk or split."""
    node, index = call.node.args
    parts = call.results[node] if isinstance(node, fx.Node) else None
    if not isinstance(parts, (tuple, list)) or not isinstance(node, fx.Node) or not isinstance(index, int):
        raise call.refuse()
    if node.target not in _CUTS:
        raise call.refuse(f"of {getattr(node.target, '__name__', node.target)}")
    source = call.maps.get(node.args[0]) if isinstance(node.args[0], fx.Node) else None
    sizes = [part.shape[1] if part.ndim == 4 else -1 for part in parts]
    if source is None or sum(sizes) != source.channels or -1 in sizes:
        raise call.refuse("along another axis than channels")
    first = sum(sizes[: index % len(sizes)])
    return call.add(Copy(source=source, target=call.target(), channels=sizes[index], first=first))


def pad(call: Call) -> Map:
    """Zeros around a map are those around a convolution that copies each pixel."""
    pads = call.given("pad" if call.module is None else "padding")
    if call.given("mode", "constant") != "constant" or call.given("value", 0) not in (0, None) or len(pads) > 4:
        raise call.refuse("other than by zeros around the pixels")
    left, _, top, _ = (*pads, 0, 0)[:4]
    source = call.pixels()
    weight, bias = np.ones((source.channels, 1, 1, 1)), np.zeros(source.channels)
    window = Window(kernel=(1, 1), padding=(int(top), int(left)))
    check_reach(call, source, call.target(), window)
    return call.add(
        Convolution(
            source=source, target=call.target(), weight=weight, bias=bias, window=window, groups=source.channels
        )
    )
