"""How the layers and quantizers of an integer network are written as operations on integers that floats carry.

Integers and their sums are exact in float32 up to 2^24, in any order. The operations between sums are those of the
integer network, in the same order, so the integers are the same as well.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.core.selection import HoldsIntegers, RoundsActivations
from compression.runtimes.sparse.handlers.call import Call, Handler
from compression.runtimes.sparse.handlers.layers import check_reach
from compression.runtimes.sparse.program import Convolution, Integers, Map, Rescale, Unary, Window

# Sums of integers below this bound are exact in float32.
EXACT = 1 << 24


def find_integer_handler(call: Call) -> Handler | None:
    """Return the handler of a layer or a quantizer of an integer network; None for any other call.

    Raises InputError for a layer over one axis.
    """
    module = call.module
    if isinstance(module, RoundsActivations):
        return _quantizer
    if not isinstance(module, HoldsIntegers):
        return None
    assert module.reads != "batch", "check_modules refuses these"
    if module.product.num_axes == 1:
        raise call.refuse("over one axis")
    return _integer_layer if module.reads == "rounded" else _weight_only_layer


def split_sums(weight: NDArray[np.float64], *, largest: int) -> NDArray[np.float64]:
    """Return ``weight: [O, ...]`` in parts that add up to it, ``[O, parts, ...]``, as few as possible.

    The products of a part with integers of at most ``largest`` have a sum below 2^24.
    """
    flat = weight.reshape(len(weight), -1)
    bounds = np.abs(flat) * largest
    room = EXACT - 1 - bounds.max(initial=0)
    part = ((bounds.cumsum(axis=1) - bounds) // room).astype(int)
    parts = np.arange(part.max(initial=0) + 1)
    split = np.where(part[:, None] == parts[:, None], flat[:, None], 0.0)
    return split.reshape(len(weight), len(parts), *weight.shape[1:])


def _quantizer(call: Call) -> Map:
    module = call.module
    assert isinstance(module, RoundsActivations)
    scale, grid = module.scale.detach().float(), module.grid
    meaning = Integers(float(scale), max(abs(grid.low), abs(grid.high)))
    call.reads_integers = True
    if call.program.integers.get(call.source) == meaning:
        # Values that were moved are rounded again, which changes nothing.
        return call.source
    call.reads_integers = False
    source = call.source
    target = Map(*source.shape)
    call.program.integers[target] = meaning
    # The reciprocal in float32, as the quantizer computes it.
    step = float(1.0 / scale)
    return call.add(Unary(source=source, target=target, function="round", slope=step, low=grid.low, high=grid.high))


def _integer_layer(call: Call) -> Map:
    module = call.module
    assert isinstance(module, HoldsIntegers)
    call.reads_integers = True
    scale = call.known(call.node.args[1])
    meaning = call.program.integers.get(call.source)
    if meaning is None or not isinstance(scale, Tensor) or meaning.scale != float(scale):
        raise call.refuse("with an input that is not rounded with its scale")
    units = (scale.detach() * module.weight_scale.detach()).numpy()
    weight, bias = (values.detach().double().numpy() for values in (module.weight, module.bias))
    sums = np.abs(weight).reshape(len(weight), -1).sum(axis=1) * meaning.largest + np.abs(bias)
    if sums.max(initial=0) < EXACT:
        target = _convolve(call, weight, bias)
        return call.add(Rescale(source=target, target=Map(*target.shape), units=units))
    parts = split_sums(weight, largest=meaning.largest)
    count = parts.shape[1]
    target = _convolve(call, parts.reshape(-1, *weight.shape[1:]), np.zeros(len(weight) * count))
    return call.add(
        Rescale(source=target, target=Map(len(weight), target.height, target.width), units=units, bias=bias)
    )


def _weight_only_layer(call: Call) -> Map:
    module = call.module
    assert isinstance(module, HoldsIntegers)
    with torch.no_grad():
        scale = module.weight_scale.reshape(-1, *[1] * (module.weight.ndim - 1))
        weight = (module.weight.float() * scale).double().numpy()
    return _convolve(call, weight, module.bias.detach().double().numpy())


def _convolve(call: Call, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> Map:
    """Append the convolution or linear map of an integer layer; ``weight`` may have more rows than the layer."""
    assert isinstance(call.module, HoldsIntegers)
    product, rows = call.module.product, len(weight)
    if product.num_axes == 0:
        source, [first, *_] = call.source, call.node.all_input_nodes
        if call.results[first].ndim != 2:
            raise call.refuse(f"of a tensor of shape {list(call.results[first].shape)}")
        weight = weight.reshape(rows, *source.shape)
        window, target = Window(kernel=(source.height, source.width)), Map(rows)
    else:
        source = call.pixels()
        window = Window(
            kernel=(weight.shape[2], weight.shape[3]),
            stride=product.stride,
            padding=product.padding,
            dilation=product.dilation,
        )
        target = Map(rows, *call.target().shape[1:])
        check_reach(call, source, target, window)
    return call.add(
        Convolution(source=source, target=target, weight=weight, bias=bias, window=window, groups=product.groups)
    )
