"""Pooling."""

import numpy as np

from compression.runtimes.sparse.handlers.call import Call, pair
from compression.runtimes.sparse.layout import OUTSIDE, reach_window
from compression.runtimes.sparse.program import Map, MaxPool, MeanPool, Pair, Window


def max_pool(call: Call) -> Map:
    """The maximum over a window."""
    kernel = pair(call.given("kernel_size"))
    stride = call.given("stride")
    if call.given("return_indices", False):
        raise call.refuse("with return_indices")
    window = Window(
        kernel=kernel,
        stride=pair(stride) if stride else kernel,
        padding=pair(call.given("padding", 0)),
        dilation=pair(call.given("dilation", 1)),
    )
    source, target = call.pixels(), call.target()
    if any((places == OUTSIDE).all(axis=0).any() for places in reach_window(source, target, window)):
        raise call.refuse("with a window that meets only padding")
    return call.add(MaxPool(source=source, target=target, window=window))


def adaptive_max_pool(call: Call) -> Map:
    """The maximum over equal parts."""
    source, target = call.pixels(), call.target()
    if source.height % target.height or source.width % target.width:
        raise call.refuse(f"from {source.height}x{source.width} to {target.height}x{target.width}")
    kernel = source.height // target.height, source.width // target.width
    return call.add(MaxPool(source=source, target=target, window=Window(kernel=kernel, stride=kernel)))


def average_pool(call: Call) -> Map:
    """The mean over a window."""
    kernel = pair(call.given("kernel_size"))
    stride = pair(call.given("stride") or kernel)
    padding = pair(call.given("padding", 0))
    source, target = call.pixels(), call.target()
    spans, sizes = [], []
    for axis, length in enumerate((target.height, target.width)):
        size = (source.height, source.width)[axis]
        starts = [index * stride[axis] - padding[axis] for index in range(length)]
        ends = [min(start + kernel[axis], size + padding[axis]) for start in starts]
        inside = [(max(start, 0), min(end, size)) for start, end in zip(starts, ends, strict=True)]
        counted = zip(starts, ends, strict=True) if call.given("count_include_pad", True) else inside
        spans.append(inside)
        sizes.append(np.array([end - start for start, end in counted], dtype=np.float64))
    divisors = np.outer(*sizes)
    if call.given("divisor_override"):
        divisors = np.full_like(divisors, call.given("divisor_override"))
    return call.add(MeanPool(source=source, target=target, rows=spans[0], columns=spans[1], divisors=divisors))


def adaptive_average_pool(call: Call) -> Map:
    """The mean over parts."""
    source, target = call.pixels(), call.target()

    def spans(size: int, length: int) -> list[Pair]:
        return [(i * size // length, -((-(i + 1) * size) // length)) for i in range(length)]

    rows, columns = spans(source.height, target.height), spans(source.width, target.width)
    if source.shape == target.shape:
        return source
    divisors = np.outer([end - start for start, end in rows], [end - start for start, end in columns]).astype(float)
    return call.add(MeanPool(source=source, target=target, rows=rows, columns=columns, divisors=divisors))
