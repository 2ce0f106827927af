"""Tables and pictures of the README in this folder, from its records.

usage: experiments/storage/summarize.py     prints the tables, draws codecs.png and curves.png
"""

import itertools
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
MODELS = {"mobilenet_v2": "MobileNetV2", "resnet18": "ResNet-18"}
CODECS = ("dense", "bitmask", "coo", "csr", "csc", "delta", "gzip", "zstd", "ans", "context")
TICKS = (100, 125, 150, 200, 250, 300, 500, 700, 1000, 1500, 2000, 3000, 4000)
CURVES = {
    "mobilenet_v2_90": "MobileNetV2, 90 % zeros",
    "mobilenet_v2_95": "MobileNetV2, 95 % zeros",
    "resnet18_70": "ResNet-18, 70 % zeros",
    "resnet18_90": "ResNet-18, 90 % zeros",
}


def main() -> None:
    """Print the tables and draw the pictures."""
    for model in MODELS:
        rows = [row for row in read(model)["rows"] if row["by_codec"]]
        rows.sort(key=lambda row: (target(row), -row["bits"]["weight"]))
        print(f"\n### {MODELS[model]}\n")
        print_codecs(rows)
        print()
        print_bounds(rows)
    for curve, title in CURVES.items():
        print(f"\n### {title}\n")
        print_curve(curve)
    draw_codecs()
    draw_curves()


def read(name: str) -> dict[str, Any]:
    """Return the record NAME.json of this folder."""
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return found


def target(row: dict[str, Any]) -> float:
    """Return the requested sparsity, in [0, 1)."""
    [sparsity] = [text.partition("=")[2] for text in row["overrides"] if text.startswith("sparsity=")]
    return float(sparsity)


def option(row: dict[str, Any], key: str) -> str:
    """Return the value of an override, "-" if the row does not have it."""
    return next((text.partition("=")[2] for text in row["overrides"] if text.startswith(f"{key}=")), "-")


def print_codecs(rows: list[dict[str, Any]]) -> None:
    """Print the bytes of the complete file with each codec for its weights."""
    print(f"| zeros, bits | {' | '.join(CODECS)} | formula | order-0 bound |")
    print(f"|---|{'---:|' * (len(CODECS) + 2)}")
    for row in rows:
        rest = row["file"] - row["weights"]
        sizes = [row["by_codec"][codec]["bytes"] + rest for codec in CODECS]
        kib = [f"{size / 1024:,.0f}" for size in sizes]
        bound = row["order0"] + row["scales"] + row["biases"]
        cells = [*kib, f"{row['formula'] / 1024:,.0f}", f"{bound / 1024:,.0f}"]
        print(f"| {100 * target(row):g} %, W{row['bits']['weight']} | {' | '.join(cells)} |")


def print_bounds(rows: list[dict[str, Any]]) -> None:
    """Print the written files against dense and against their bounds."""
    print(
        "| zeros, bits | file, bytes | smaller | formula says | weights / order-0 | file / (order-0 + scales + biases) "
        "| header and tables | scales | biases | accuracy |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        bound = row["order0"] + row["scales"] + row["biases"]
        cells = [
            f"{100 * target(row):g} %, W{row['bits']['weight']}A{row['bits']['activation']}",
            f"{row['file']:,}",
            f"**{row['smaller']:.1f}x**",
            f"{row['dense'] / row['formula']:.1f}x",
            f"{row['weights'] / row['order0']:.4f}",
            f"{row['file'] / bound:.4f}",
            f"{row['header'] + row['tables']:,}",
            f"{row['scales']:,}",
            f"{row['biases']:,}",
            f"{100 * row['accuracy']:.2f}",
        ]
        print(f"| {' | '.join(cells)} |")


def print_curve(name: str) -> None:
    """Print our files by price, next to NNCodec at equal accuracy."""
    theirs = best(comparator(name))
    print("| bits, price of one | file, bytes | smaller | accuracy | NNCodec at this accuracy | ours / NNCodec |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in sorted(read(f"curve_{name}")["rows"], key=lambda row: -row["file"]):
        equal = at_accuracy(theirs, row["accuracy"])
        ratio = "-" if equal is None else f"{row['file'] / equal:.2f}"
        made = f"W{row['bits']['weight']}, {option(row, 'quantization.rdoq_lambda')}"
        print(
            f"| {made} | {row['file']:,} | {row['smaller']:.1f}x "
            f"| {100 * row['accuracy']:.2f} | {'more than any' if equal is None else f'{equal:,.0f}'} "
            f"| {ratio} |"
        )


def comparator(name: str) -> list[tuple[float, float]]:
    """Return (bytes, accuracy) of every NNCodec file of the same weights."""
    rows = json.loads((HERE / "nncodec" / f"{name}.json").read_text())["rows"]
    return [(row["bytes"], row["accuracy"]) for row in rows]


def best(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the Pareto front of (bytes, accuracy), by rising bytes."""
    front: list[tuple[float, float]] = []
    for size, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((size, accuracy))
    return front


def at_accuracy(front: list[tuple[float, float]], accuracy: float) -> float | None:
    """Return the bytes at which a front reaches an accuracy, interpolated linearly; None if it never does."""
    for (small, low), (large, high) in itertools.pairwise(front):
        if low <= accuracy <= high:
            return small + (large - small) * (accuracy - low) / (high - low)
    return front[0][0] if accuracy < front[0][1] else None


def draw_codecs() -> None:
    """Draw the bytes of the weights over the order-0 bound, by sparsity, into codecs.png."""
    figure, grid = plt.subplots(len(MODELS), 3, figsize=(12, 6.4), layout="constrained", sharex=True, sharey=True)
    for axes, (model, title) in zip(grid, MODELS.items(), strict=True):
        rows = [row for row in read(model)["rows"] if row["by_codec"]]
        for axis, bits in zip(axes, (8, 6, 4), strict=True):
            chosen = sorted((row for row in rows if row["bits"]["weight"] == bits), key=target)
            at = [100 * target(row) for row in chosen]
            for index, codec in enumerate(CODECS):
                ratio = [row["by_codec"][codec]["bytes"] / row["order0"] for row in chosen]
                axis.plot(range(len(at)), ratio, marker="o", markersize=3, color=f"C{index}", label=codec)
            formula = [row["formula"] / (row["order0"] + row["scales"]) for row in chosen]
            axis.plot(range(len(at)), formula, "k--", linewidth=1, label="formula")
            axis.axhline(1, color="0.5", linewidth=0.8)
            axis.set(yscale="log", title=f"{title}, W{bits}", yticks=[1, 1.5, 2, 3, 5, 8])
            axis.set_xticks(range(len(at)), [f"{one:g} %" for one in at])
            axis.set_yticklabels(["1", "1.5", "2", "3", "5", "8"])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
        axes[0].set_ylabel("bytes / order-0 bound")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    for axis in grid[-1]:
        axis.set_xlabel("zeros")
    figure.savefig(HERE / "codecs.png", dpi=120)
    plt.close(figure)


def draw_curves() -> None:
    """Draw accuracy against bytes for our files and NNCodec's into curves.png."""
    figure, grid = plt.subplots(2, 2, figsize=(11, 7.6), layout="constrained")
    for axis, (name, title) in zip(grid.flat, CURVES.items(), strict=True):
        record = json.loads((HERE / "nncodec" / f"{name}.json").read_text())
        rows = read(f"curve_{name}")["rows"]
        ours = [(row["file"], row["accuracy"]) for row in rows]
        lowest = 100 * (min(accuracy for _, accuracy in ours) - 0.012)
        theirs = comparator(name)
        axis.plot(*scaled(theirs), "x", color="0.7", markersize=4, label="NNCodec, every setting tried")
        axis.plot(*scaled(best(theirs)), "-s", color="C1", markersize=4, label="NNCodec, its best")
        for bits, colour in ((8, "C0"), (6, "C2")):
            points = sorted((row["file"], row["accuracy"]) for row in rows if row["bits"]["weight"] == bits)
            if points:
                axis.plot(*scaled(points), "-o", color=colour, markersize=4, label=f"ours, whole file, W{bits}")
        axis.axhline(100 * record["accuracy_unencoded"], color="0.5", linestyle="--", linewidth=1)
        axis.text(0.01, 100 * record["accuracy_unencoded"], "not encoded", transform=axis.get_yaxis_transform(),
                  ha="left", va="bottom", fontsize=8, color="0.4")  # fmt: skip
        axis.set(title=title, xlabel="KiB", ylabel="test accuracy in %", xscale="log")
        axis.set_ylim(bottom=lowest)
        sizes = [size / 1024 for size, accuracy in (*ours, *theirs) if 100 * accuracy >= lowest]
        shown = [one for one in TICKS if min(sizes) * 0.9 <= one <= max(sizes) * 1.1]
        axis.set_xlim(min(sizes) * 0.92, max(sizes) * 1.08)
        axis.set_xticks(shown, [f"{one:,}" for one in shown])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    grid[0, 0].legend(fontsize=8, loc="lower right")
    figure.savefig(HERE / "curves.png", dpi=120)
    plt.close(figure)


def scaled(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Return the points in KiB and percent."""
    return [size / 1024 for size, _ in points], [100 * accuracy for _, accuracy in points]


if __name__ == "__main__":
    main()
