"""Draw the pictures of experiments/storage from its records: codecs.png and curves.png.

usage: experiments/draw_storage.py
"""

from collections.abc import Iterable, Sequence

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from result_tables.storage import CODECS, Point, best, option, read_grid, read_nncodec
from result_tables.table import HERE, read

MODELS = {"mobilenet_v2": "MobileNetV2", "resnet18": "ResNet-18"}
CURVES = {"mobilenet_v2_90": "MobileNetV2, 90 % zeros", "resnet18_90": "ResNet-18, 90 % zeros"}
TICKS = (100, 125, 150, 200, 250, 300, 500, 700, 1000, 1500, 2000, 3000, 4000)
# Points of accuracy below our least accurate file, where the picture ends.
MARGIN = 1.2
# Points above the network that is not encoded.
HEADROOM = 0.4


def main() -> None:
    """Draw both pictures."""
    draw_codecs()
    draw_curves()


def draw_codecs() -> None:
    """Draw the bytes of the weights over the order-0 bound, by sparsity and bits."""
    figure, panels = plt.subplots(1, len(MODELS), figsize=(11, 4.2), layout="constrained", sharey=True)
    for axis, (model, title) in zip(panels, MODELS.items(), strict=True):
        rows = [row for row in read_grid(model) if row["bits"]["activation"] == 8]
        names = [f"{100 * float(option(row, 'sparsity')):g} %, W{row['bits']['weight']}" for row in rows]
        for index, codec in enumerate(CODECS):
            ratio = [row["by_codec"][codec]["bytes"] / row["order0"] for row in rows]
            axis.plot(names, ratio, marker="o", markersize=3, color=f"C{index}", label=codec)
        formula = [row["formula"] / (row["order0"] + row["scales"]) for row in rows]
        axis.plot(names, formula, "k--", linewidth=1, label="formula")
        axis.axhline(1, color="0.5", linewidth=0.8)
        axis.set(yscale="log", title=title, xlabel="zeros, bits", yticks=[1, 1.5, 2, 3, 5, 8])
        axis.set_yticklabels(["1", "1.5", "2", "3", "5", "8"])
        axis.minorticks_off()
        axis.margins(x=0.12)
        axis.grid(alpha=0.3)
    panels[0].set_ylabel("bytes / order-0 bound")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    figure.savefig(HERE / "storage" / "codecs.png", dpi=120)
    plt.close(figure)


def draw_curves() -> None:
    """Draw accuracy against bytes for our files and NNCodec's."""
    figure, axes = plt.subplots(1, len(CURVES), figsize=(11, 4.2), layout="constrained")
    for axis, (name, title) in zip(axes, CURVES.items(), strict=True):
        ours = sorted((row["file"], row["accuracy"]) for row in read(f"storage/curve_{name}.json")["rows"])
        theirs = read_nncodec(name)
        lowest = 100 * min(accuracy for _, accuracy in ours) - MARGIN
        axis.plot(*_scale(theirs), "x", color="0.7", markersize=4, label="NNCodec, every setting tried")
        axis.plot(*_scale(best(theirs)), "-s", color="C1", markersize=4, label="NNCodec, its best")
        axis.plot(*_scale(ours), "-o", color="C0", markersize=4, label="ours, whole file")
        unencoded = 100 * read(f"storage/nncodec/{name}.json")["accuracy_unencoded"]
        axis.axhline(unencoded, color="0.5", linestyle="--", linewidth=1)
        axis.text(0.01, unencoded, "not encoded", transform=axis.get_yaxis_transform(), ha="left", va="bottom",
                  fontsize=8, color="0.4")  # fmt: skip
        axis.set(title=title, xlabel="KiB", ylabel="test accuracy in %", xscale="log")
        axis.set_ylim(lowest, unencoded + HEADROOM)
        sizes = [size / 1024 for size, accuracy in (*ours, *theirs) if 100 * accuracy >= lowest]
        shown = [one for one in TICKS if min(sizes) * 0.9 <= one <= max(sizes) * 1.1]
        axis.set_xlim(min(sizes) * 0.92, max(sizes) * 1.08)
        axis.set_xticks(shown, [f"{one:,}" for one in shown])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8, loc="lower right")
    figure.savefig(HERE / "storage" / "curves.png", dpi=120)
    plt.close(figure)


def _scale(points: Iterable[Point]) -> tuple[Sequence[float], Sequence[float]]:
    """Return points in KiB and percent."""
    found = list(points)
    return [size / 1024 for size, _ in found], [100 * accuracy for _, accuracy in found]


if __name__ == "__main__":
    main()
