"""Picture of bits per weight against sparsity, one line per codec."""

from collections.abc import Mapping, Sequence

from matplotlib import colormaps
from matplotlib.figure import Figure

from compression.reporting.figures.style import SMALL, TEXT, TITLE, remove_frame, spread_out


def draw_codecs(curves: Mapping[str, Sequence[float]], *, sparsities: Sequence[float], title: str) -> Figure:
    """Return a picture of ``curves[codec][k]``, in bits per value, over ``sparsities[k]``, which are fractions.

    Both axes start at zero.
    """
    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    remove_frame(axes)
    colours = {name: "black" if name == "dense" else colormaps["tab10"](k % 10) for k, name in enumerate(curves)}
    for name, curve in curves.items():
        dashed = "--" if name == "dense" else "-"
        axes.plot([100 * at for at in sparsities], curve, dashed, color=colours[name], linewidth=1.6, label=name)
    highest = max((curve[0] for name, curve in curves.items() if name in ("dense", "bitmask")), default=1.0)
    axes.set_ylim(0, 1.6 * highest)
    axes.set_xlim(0, 100 * max(sparsities))
    # Lines are named at their ends, because a legend with ten entries is hard to read.
    ends = [curve[-1] for curve in curves.values()]
    heights = spread_out(ends, gap=0.045 * 1.6 * highest, low=0.0, high=1.6 * highest)
    for (name, curve), height in zip(curves.items(), heights, strict=True):
        axes.annotate(
            name,
            (100 * sparsities[-1], curve[-1]),
            xytext=(1.02, height),
            textcoords=axes.get_yaxis_transform(),
            fontsize=SMALL,
            # Many lines end close together, so each name has the colour of its line.
            color=colours[name],
            va="center",
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": colours[name]},
            annotation_clip=False,
        )
    axes.set_title(title, fontsize=TITLE, loc="left")
    axes.set_xlabel("sparsity, %", fontsize=TEXT)
    axes.set_ylabel("bits per weight", fontsize=TEXT)
    axes.tick_params(labelsize=TEXT)
    return figure
