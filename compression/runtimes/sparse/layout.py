"""How a window reads a map: which vectors, from which places, and how the map is laid out again (packed) for it.

All places are in pixels of one channel. With one image, a vector is a run of pixels; with several images innermost,
it is the same pixel of all images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.sparse.program import Convolution, Map, Window

Ints = NDArray[np.int64]

# A place beyond the edges of a map.
OUTSIDE = -1
# Vectors of so many floats often cross a line of the cache when they do not begin at a multiple of their size.
WIDE = 8


@dataclass(frozen=True)
class Packing:
    """A packed plane: for each of its pixels the pixel of the source, or OUTSIDE. ``places: [N]``."""

    places: Ints


@dataclass(frozen=True)
class Layout:
    """The vectors of one output channel.

    ``width`` is the number of pixels in a vector. Vector j is read at ``sources[j]`` plus the offset of a tap and
    written at ``targets[j]``. ``taps: [kH, kW]`` holds the offsets; OUTSIDE marks a tap that only meets padding.
    """

    width: int
    sources: Ints
    targets: Ints
    taps: Ints
    packing: Packing | None = None


def lay_out(source: Map, target: Map, window: Window, *, vector: int, lanes: int) -> Layout:
    """Return the layout for vectors of ``vector`` floats and ``lanes`` images innermost."""
    rows, columns = reach_window(source, target, window)
    inside = np.logical_and.outer((rows >= 0).any(axis=1), (columns >= 0).any(axis=1))
    if lanes > 1:
        width, targets = 1, np.arange(target.positions)
    else:
        width = largest_power_of_two(min(vector, target.positions))
        targets = np.arange(0, target.positions, width)
        # The last vector overlaps the one before it, so that no vector leaves the plane.
        targets[-1] = target.positions - width
    y, x = targets // target.width, targets % target.width
    stride_y, stride_x = window.stride
    taps = rows[:, :1].clip(0) * source.width + columns[:, 0].clip(0)
    if target.positions == 1:
        # Every tap reads one pixel, so the map need not be packed.
        return Layout(width, targets, targets, np.where(inside, taps, OUTSIDE))
    ragged = bool((rows < 0).any() or (columns < 0).any())
    if not ragged and (lanes > 1 or (window.kernel == window.stride == (1, 1) and source.width == target.width)):
        return Layout(width, y * stride_y * source.width + x * stride_x, targets, taps)
    if lanes > 1:
        return _surround(source, target, window, targets=targets, inside=inside)
    return _shift(source, target, window, targets=targets, width=width, vector=vector, inside=inside)


def reach_window(source: Map, target: Map, window: Window) -> tuple[Ints, Ints]:
    """Return the row of the source that each row of taps meets for each row of the target, ``[kH, H]``; columns alike.

    Rows and columns beyond the edges are OUTSIDE.
    """
    rows = _reach(target.height, source.height, window, axis=0)
    return rows, _reach(target.width, source.width, window, axis=1)


def largest_power_of_two(limit: int) -> int:
    """Return the largest power of two that is not above ``limit``."""
    return 1 << (limit.bit_length() - 1)


def _reach(target: int, source: int, window: Window, *, axis: int) -> Ints:
    """Return the row (or column) of the source that each tap meets for each row of the target: ``[k, target]``."""
    taps = np.arange(window.kernel[axis]) * window.dilation[axis] - window.padding[axis]
    places = taps[:, None] + np.arange(target)[None] * window.stride[axis]
    return np.where((places >= 0) & (places < source), places, OUTSIDE)


def _surround(source: Map, target: Map, window: Window, *, targets: Ints, inside: NDArray[np.bool_]) -> Layout:
    """Lay a map out with its padding around it."""
    height, width = (
        (size - 1) * window.stride[axis] + (window.kernel[axis] - 1) * window.dilation[axis] + 1
        for axis, size in enumerate((target.height, target.width))
    )
    y, x = np.arange(height) - window.padding[0], np.arange(width) - window.padding[1]
    valid = np.logical_and.outer((y >= 0) & (y < source.height), (x >= 0) & (x < source.width))
    places = np.where(valid, y[:, None] * source.width + x, OUTSIDE)
    taps = np.add.outer(
        np.arange(window.kernel[0]) * window.dilation[0] * width, np.arange(window.kernel[1]) * window.dilation[1]
    )
    sources = targets // target.width * window.stride[0] * width + targets % target.width * window.stride[1]
    return Layout(1, sources, targets, np.where(inside, taps, OUTSIDE), Packing(places.reshape(-1)))


def _shift(
    source: Map, target: Map, window: Window, *, targets: Ints, width: int, vector: int, inside: NDArray[np.bool_]
) -> Layout:
    """Lay a map out once per column of the kernel, shifted by it.

    A tap then reads all pixels of the target in order, with no gap between rows, so that vectors hold several rows of
    a small map. For a stride, a copy holds only the columns, and only the rows of one remainder, that the tap reads.
    """
    rows = np.arange(window.kernel[0]) * window.dilation[0] - window.padding[0]
    steps, remainders = np.divmod(rows, window.stride[0])
    copies: list[Ints] = []
    taps = np.full(window.kernel, OUTSIDE)
    length = 0
    # Where a row is not whole vectors, loads that begin between vectors would cost twice, so each row of the kernel
    # has its own copy as well.
    apart = width >= WIDE and target.width % width != 0
    keys = np.arange(len(rows)) if apart else remainders
    for key in np.unique(keys[inside.any(axis=1)]):
        of_copy = np.flatnonzero((keys == key) & inside.any(axis=1))
        remainder = remainders[of_copy[0]]
        first, last = steps[of_copy].min(), steps[of_copy].max()
        y = (first + np.arange(target.height + last - first)) * window.stride[0] + remainder
        for column in np.flatnonzero(inside.any(axis=0)):
            x = np.arange(target.width) * window.stride[1] + column * window.dilation[1] - window.padding[1]
            valid = np.logical_and.outer((y >= 0) & (y < source.height), (x >= 0) & (x < source.width))
            copy = np.where(valid, y[:, None] * source.width + x, OUTSIDE).reshape(-1)
            # Whole vectors, so that no vector of the packed plane takes pixels from two copies.
            unit = min(vector, 2 * largest_power_of_two(max(len(copy) - 1, 1)))
            copy = np.pad(copy, (0, -len(copy) % unit), constant_values=OUTSIDE)
            taps[of_copy, column] = length + (steps[of_copy] - first) * target.width
            length += len(copy)
            copies.append(copy)
    return Layout(width, targets, targets, np.where(inside, taps, OUTSIDE), Packing(np.concatenate(copies)))


def is_depthwise(operation: Convolution) -> bool:
    """Return whether each channel is computed from one channel, and nothing is added to the result."""
    return operation.groups == operation.source.channels == operation.target.channels and operation.added is None


def fits_depthwise(operation: Convolution) -> bool:
    """Return whether the depthwise kernel can compute ``operation``: every output pixel is a pixel of the source."""
    source, target, window = operation.source, operation.target, operation.window
    return (
        is_depthwise(operation)
        and (target.height - 1) * window.stride[0] < source.height
        and (target.width - 1) * window.stride[1] < source.width
        # Otherwise too many pixels would be computed in vain.
        and source.positions <= 8 * target.positions
    )


def shift_taps(operation: Convolution) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return the taps that meet a pixel, how far each shifts the plane, and where it meets one: ``[T, H * W]``."""
    source, window = operation.source, operation.window
    same = Window(kernel=window.kernel, padding=window.padding, dilation=window.dilation)
    rows = _reach(source.height, source.height, same, axis=0) != OUTSIDE
    columns = _reach(source.width, source.width, same, axis=1) != OUTSIDE
    masks = np.einsum("yh,xw->yxhw", rows, columns).reshape(-1, source.positions)
    y, x = (np.arange(window.kernel[i]) * window.dilation[i] - window.padding[i] for i in (0, 1))
    shifts = (y[:, None] * source.width + x).reshape(-1)
    taps = np.flatnonzero(masks.any(axis=1))
    return taps, shifts[taps], masks[taps]


@dataclass(frozen=True)
class Pieces:
    """A packed plane as vectors of ``width`` pixels.

    ``first, second: [N]`` are the windows of the source that hold the pixels; ``lanes: [N, width]`` says which pixel
    of both windows, one after the other, each lane takes; ``mask: [N, width]`` is False beyond the edges. ``shifted``
    means that every lane takes its own pixel of the first window.
    """

    width: int
    first: Ints
    second: Ints
    lanes: Ints
    mask: NDArray[np.bool_]
    shifted: bool


def cut(packing: Packing, *, vector: int) -> Pieces:
    """Return the packed plane in the widest pieces of at most ``vector`` pixels that two windows can serve."""
    found: list[Pieces] = []
    width = vector
    while width:
        if len(packing.places) % width == 0 and (pieces := _cut(packing.places, width)) is not None:
            found.append(pieces)
        width //= 2
    # A permutation takes about as long as two shifts.
    return min(found, key=lambda pieces: len(pieces.first) * (1 if pieces.shifted else 2))


def _cut(places: Ints, width: int) -> Pieces | None:
    groups = places.reshape(-1, width)
    mask = groups != OUTSIDE
    lane = np.arange(width)
    # Of the lanes with a pixel, the window that would have this pixel in this lane.
    shifts = np.where(mask, groups - lane, np.iinfo(np.int64).max)
    first = np.where(mask.any(axis=1), shifts.min(axis=1), 0)
    if (np.where(mask, shifts, first[:, None]) == first[:, None]).all():
        return Pieces(width, first, first, np.broadcast_to(lane, groups.shape), mask, shifted=True)
    lowest = np.where(mask, groups, np.iinfo(np.int64).max).min(axis=1)
    lowest = np.where(mask.any(axis=1), lowest, 0)
    later = mask & (groups >= lowest[:, None] + width)
    second = np.where(later, groups, np.iinfo(np.int64).max).min(axis=1)
    second = np.where(later.any(axis=1), second, lowest)
    if (later & (groups >= second[:, None] + width)).any():
        return None
    lanes = np.where(later, groups - second[:, None] + width, groups - lowest[:, None])
    return Pieces(width, lowest, second, np.where(mask, lanes, 0), mask, shifted=False)
