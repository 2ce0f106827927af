"""Pictures of the filters of the first convolution, in several networks, with pruned weights in black."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from compression.reporting.figures.style import SMALL, TEXT, TITLE, percent

# The darkest shade of a weight that was kept; only pruned weights are darker.
DARKEST = 0.2
# The shade of the lines between filters; their width and the longer side of a filter, in dots; dots per inch.
LIGHT = 0.94
_LINE, _SIDE, _DOTS = 3, 48, 120


def draw_filters(before: Tensor, *, after: Tensor, title: str) -> Figure:
    """Return a picture of the filters of a convolution as two grids of images.

    Both weights are [O, I, kH, kW]; ``after`` may have fewer filters. With I = 3 the input channels are red, green and
    blue; otherwise their mean is a shade of grey. The largest magnitude of both weights is white if positive and dark
    (``DARKEST``) if negative; zero is halfway. Pruned weights are black: those that are exactly zero in ``after`` and
    not in ``before``, or, if the shapes differ, all that are exactly zero in ``after``. Raises ValueError for weights
    without four dimensions.
    """
    before, after = _check("before", before), _check("after", after)
    pruned = _find_pruned(after, before)
    largest = _find_largest([before, after])
    columns = _choose_columns(before)
    grids = [_draw_grid(before, None, largest, columns), _draw_grid(after, pruned, largest, columns)]
    captions = [f"before, {_count(before)}", f"after, {_count(after)}{_share(pruned)}"]
    key = _describe(before.shape[1], largest)
    return _compose(grids, captions=captions, title=title, key=key)


def draw_kernels(dense: Tensor, *, others: Sequence[tuple[str, Tensor]], title: str) -> Figure:
    """Return a picture of the filters of one convolution in several networks: the dense one first.

    ``others`` are (caption, weight). Weights and colours are as in ``draw_filters``, but the scale is that of the dense
    model: values beyond its largest magnitude look like it. So one network with large weights does not make the others
    pale. Raises ValueError for weights without four dimensions, and for input channels that differ.
    """
    dense = _check("dense", dense)
    named = [(caption, _check(caption, weight)) for caption, weight in others]
    for caption, weight in named:
        if weight.shape[1] != dense.shape[1]:
            raise ValueError(f"{caption} has {weight.shape[1]} input channels; allowed: {dense.shape[1]}")
    largest = _find_largest([dense])
    columns = _choose_columns(dense)
    grids, captions = [_draw_grid(dense, None, largest, columns)], [f"dense\n{_count(dense)}"]
    for caption, weight in named:
        pruned = _find_pruned(weight, dense)
        grids.append(_draw_grid(weight, pruned, largest, columns))
        captions.append(f"{caption}\n{_count(weight)}{_share(pruned, whose='their')}")
    beyond = any(_find_largest([weight]) > largest for _, weight in named)
    key = _describe(dense.shape[1], largest, note=" and beyond" if beyond else "")
    return _compose(grids, captions=captions, title=title, key=key)


def _check(name: str, weight: Tensor) -> Tensor:
    if weight.dim() != 4:
        raise ValueError(f"{name} has the shape {list(weight.shape)}; allowed: [O, I, kH, kW]")
    return torch.nan_to_num(weight.detach().float().cpu(), 0.0, 0.0, 0.0)


def _find_pruned(weight: Tensor, before: Tensor) -> Tensor:
    pruned = weight == 0
    return pruned & (before != 0) if weight.shape == before.shape else pruned


def _find_largest(weights: Sequence[Tensor]) -> float:
    values = [_to_colours(weight) for weight in weights]
    return max((float(value.abs().max()) for value in values if value.numel()), default=0.0) or 1.0


def _choose_columns(weight: Tensor) -> int:
    return min(16, int(2 ** math.ceil(math.log2(max(len(weight), 1)) / 2)))


def _draw_grid(weight: Tensor, pruned: Tensor | None, largest: float, columns: int) -> np.ndarray:
    shade = DARKEST + (1 - DARKEST) * ((_to_colours(weight) / largest).clamp(-1, 1) + 1) / 2
    if pruned is not None:
        # A dot is black only if every weight that it shows is pruned.
        shade = shade.masked_fill(pruned if pruned.shape[1] == 3 else pruned.all(dim=1, keepdim=True), 0.0)
    return _arrange(shade.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy(), columns)


def _share(pruned: Tensor, *, whose: str = "the") -> str:
    return f", {percent(float(pruned.float().mean()))} of {whose} weights pruned" if pruned.any() else ""


def _to_colours(weight: Tensor) -> Tensor:
    return weight if weight.shape[1] == 3 else weight.mean(dim=1, keepdim=True)


def _arrange(filters: np.ndarray, columns: int) -> np.ndarray:
    """Return one image of all ``filters: [O, kH, kW, 3]``, ``columns`` per row, with light lines between them."""
    scale = max(1, _SIDE // max(filters.shape[1:3]))
    filters = filters.repeat(scale, axis=1).repeat(scale, axis=2)
    height, width = filters.shape[1] + _LINE, filters.shape[2] + _LINE
    rows = max(1, math.ceil(len(filters) / columns))
    canvas = np.full((rows * height + _LINE, columns * width + _LINE, 3), LIGHT, np.float32)
    for index, image in enumerate(filters):
        top, left = index // columns * height + _LINE, index % columns * width + _LINE
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _compose(grids: Sequence[np.ndarray], *, captions: Sequence[str], title: str, key: str) -> Figure:
    # Axes are placed by hand, so that a dot of the grid is a dot of the picture and all lines are equally wide.
    tall, wide = max(grid.shape[0] for grid in grids) / _DOTS, max(3.2, grids[0].shape[1] / _DOTS)
    columns = 2 if len(grids) in (2, 4) else min(3, len(grids))
    rows = math.ceil(len(grids) / columns)
    head = 0.15 + 0.16 * max(caption.count("\n") + 1 for caption in captions)
    width, height = columns * wide + (columns - 1) * 0.3, rows * (tall + head) + 0.84
    figure = Figure(figsize=(width, height))
    figure.text(0, 1 - 0.1 / height, title, fontsize=TITLE, va="top")
    for index, (grid, caption) in enumerate(zip(grids, captions, strict=True)):
        row, column = divmod(index, columns)
        size = grid.shape[1] / _DOTS / width, grid.shape[0] / _DOTS / height
        top = 1 - (0.34 + row * (tall + head) + head) / height
        axes = figure.add_axes((column * (wide + 0.3) / width, top - size[1], *size))
        axes.imshow(grid, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        axes.set_title(caption, fontsize=TEXT, loc="left", pad=4)
    figure.text(0, 0.4 / height, key, fontsize=SMALL, va="top", linespacing=1.4)
    return figure


def _count(weight: Tensor) -> str:
    return "1 filter" if len(weight) == 1 else f"{len(weight):,} filters"


def _describe(channels: int, largest: float, *, note: str = "") -> str:
    scale = f"dark to bright: -{largest:.2g} to {largest:.2g}{note}; black: pruned"
    if channels == 3:
        return f"{scale}\nred, green and blue of a dot: its weights for these input channels, each black if pruned"
    return scale if channels == 1 else f"{scale}\neach dot: the mean over {channels:,} input channels"
