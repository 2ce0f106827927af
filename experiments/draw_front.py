"""Draw the picture of README.md from the records: the change of accuracy against bytes, and against time.

    make results

The dots are MobileNetV2 (CIFAR stem), pruned and quantized (``studies/b``, ``studies/small``), and the triangles are
ResNet-18 (``studies/resnet18``), 90 % pruned. The crosses are what the studies report (``studies/known.json``). Each
change is against the dense network that was pruned, or against the same trained as long, if that is better. Times are
of 64 images with two threads, against the fastest dense FP32 engine.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from result_tables.runs import Run, points_lost, read_runs, smaller, speed_ratio
from result_tables.small_files import find_goal_file

from compression.reporting.figures import save_figure
from compression.reporting.figures.style import ACCENT, AFTER, BEFORE, INK, TEXT, TITLE, remove_frame

HERE = Path(__file__).resolve().parent
BATCH_SIZE = 64
# Nobody uses networks that lost more than this, and they would make the others hard to see.
MOST_LOST = 8.0
# Where a label stands, in points from its dot.
ABOVE, BELOW, LEFT, FAR_RIGHT, FAR_BELOW = (0, 11), (0, -12), (-22, 0), (36, -5), (-66, -48)


class Dot(NamedTuple):
    """A network: how many times smaller or faster it is, its change in points of accuracy, and what it is."""

    ratio: float
    change: float
    label: str = ""
    place: tuple[float, float] = ABOVE


class Style(NamedTuple):
    """How the dots of one kind look."""

    marker: str
    colour: str


FLOATS, FEW_BITS, PUBLISHED = Style("o", AFTER), Style("s", ACCENT), Style("x", INK)
RESNET_FLOATS, RESNET_FEW_BITS = Style("^", AFTER), Style("^", ACCENT)


def main() -> None:
    """Write docs/pictures/front.png."""
    # Phones shrink the picture to 360 pixels, so the halves are one below the other and the text is large.
    figure = Figure(figsize=(4.4, 6.6), layout="constrained")
    by_bytes, by_time = figure.subplots(2, 1)
    draw_bytes(by_bytes)
    draw_time(by_time)
    for axes in (by_bytes, by_time):
        axes.axhline(0, color=BEFORE, linewidth=1, zorder=0)
        axes.set_ylabel("accuracy change, points", fontsize=TEXT)
        axes.legend(fontsize=TEXT, frameon=False, loc="lower left", borderpad=0, handletextpad=0.2)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.margins(x=0.12, y=0.12)
        remove_frame(axes)
    by_bytes.set_xticks([1, 2, 5, 10, 20, 50, 100], labels=["1x", "2x", "5x", "10x", "20x", "50x", "100x"])
    by_time.set_xticks([1, 1.5, 2, 3], labels=["1x", "1.5x", "2x", "3x"])
    save_figure(figure, HERE.parent / "docs" / "pictures" / "front.png")


def draw_bytes(axes: Axes) -> None:
    """Draw the change of accuracy over how many times smaller the file is."""
    floats, few_bits = split(read_runs("b"))
    places = {"50 %": ABOVE, "70 %": BELOW, "90 %": BELOW}
    plain = [Dot(smaller(run), change(run), zeros(run), places[zeros(run)]) for run in floats]
    places = {"50 %": ABOVE, "70 %": FAR_RIGHT, "90 %": BELOW}
    quantized = [Dot(smaller(run), change(run), name(run, few_bits), places[zeros(run)]) for run in few_bits]
    attempts = [Dot(smaller(run), change(run)) for run in read_runs("small")] + [name_goal_file()]
    draw(axes, plain, FLOATS, label="MobileNetV2, 32 bits")
    draw(axes, quantized + attempts, FEW_BITS, label="MobileNetV2, 6 or 8 bits")
    floats, few_bits = split(read_runs("resnet18"))
    draw(axes, [Dot(smaller(run), change(run)) for run in floats], RESNET_FLOATS, label="ResNet-18, 32 bits")
    draw(axes, [Dot(smaller(run), change(run)) for run in few_bits], RESNET_FEW_BITS, label="ResNet-18, 8 bits")
    draw(axes, published("smaller"), PUBLISHED, label="known studies")
    axes.set_xlabel("times smaller file", fontsize=TEXT)
    axes.set_title("Bytes (50 to 93 % zeros)", fontsize=TITLE, loc="left")


def draw_time(axes: Axes) -> None:
    """Draw the change of accuracy over the speed of the file, in the sparse engine and in the best INT8 engine."""
    floats, few_bits = split(read_runs("b"))
    places = {"50 %": LEFT, "70 %": ABOVE, "90 %": BELOW}
    sparse = [
        Dot(speed_ratio(run, BATCH_SIZE, sparse=True), change(run), zeros(run), places[zeros(run)]) for run in floats
    ]
    places = {"50 %": ABOVE, "70 %": BELOW, "90 %": LEFT}
    quantized = [
        Dot(speed_ratio(run, BATCH_SIZE, sparse=False), change(run), name(run, few_bits), places[zeros(run)])
        for run in few_bits
    ]
    axes.set_ylim(-4.8, 0.6)
    small = find_goal_file()
    quantized.append(Dot(speed_ratio(small, BATCH_SIZE, sparse=False), change(small)))
    draw(axes, sparse, FLOATS, label="MobileNetV2, 32 bits, sparse engine")
    draw(axes, quantized, FEW_BITS, label="MobileNetV2, 6 or 8 bits, other engines")
    floats, few_bits = split(read_runs("resnet18"))
    dots = [Dot(speed_ratio(run, BATCH_SIZE, sparse=True), change(run)) for run in floats]
    draw(axes, dots, RESNET_FLOATS, label="ResNet-18, 32 bits, sparse engine")
    dots = [Dot(speed_ratio(run, BATCH_SIZE, sparse=False), change(run)) for run in few_bits]
    draw(axes, dots, RESNET_FEW_BITS, label="ResNet-18, 8 bits, other engines")
    draw(axes, published("faster"), PUBLISHED, label="known studies")
    axes.set_xlabel("times faster, 64 images, two threads", fontsize=TEXT)
    axes.set_title("Time", fontsize=TITLE, loc="left")


def name_goal_file() -> Dot:
    """Return the dot of the most accurate of the smallest files, with its bytes and accuracy."""
    run = find_goal_file()
    size, accuracy = run["compressed"]["bytes"]["artifact"] / 1024, 100 * run["compressed"]["accuracy"]
    return Dot(smaller(run), change(run), f"{size:.0f} KiB, {accuracy:.2f} %", FAR_BELOW)


def split(runs: Iterable[Run]) -> tuple[list[Run], list[Run]]:
    """Return the runs in float32, and those with as many bits for activations; the others would lie on top of these."""
    found = [run for run in runs if run["weight_bits"] == run["activation_bits"]]
    return [run for run in found if run["weight_bits"] == 32], [run for run in found if run["weight_bits"] < 32]


def draw(axes: Axes, dots: Iterable[Dot], style: Style, *, label: str) -> None:
    """Draw the dots that lost little enough, with their names."""
    shown = [dot for dot in dots if dot.change >= -MOST_LOST]
    columns = ([dot.ratio for dot in shown], [dot.change for dot in shown])
    axes.plot(*columns, style.marker, color=style.colour, markersize=6, label=label)
    for dot in shown:
        axes.annotate(
            dot.label,
            (dot.ratio, dot.change),
            xytext=dot.place,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=TEXT,
            color=style.colour,
            arrowprops={"arrowstyle": "-", "color": style.colour, "linewidth": 0.8} if dot.place == FAR_BELOW else None,
        )


def change(run: Run) -> float:
    """Return the change in points of accuracy against the better of the dense network and its control."""
    return -points_lost(run)


def zeros(run: Run) -> str:
    """Return the fraction of the weights that are pruned, such as ``90 %``."""
    return f"{100 * run['target_sparsity']:.0f} %"


def name(run: Run, runs: Iterable[Run]) -> str:
    """Return ``zeros`` for the run with the most bits of those with equal zeros, else nothing: names would overlap."""
    alike = (other for other in runs if zeros(other) == zeros(run))
    return zeros(run) if run is max(alike, key=lambda other: other["weight_bits"] + other["activation_bits"]) else ""


def published(ratio: str) -> list[Dot]:
    """Return the rows of the studies that report ``ratio``, which is ``smaller`` or ``faster``."""
    known = json.loads((HERE / "studies" / "known.json").read_text())
    rows = [(study, row) for study in known.values() for row in study["rows"] if ratio in row]
    return [Dot(row[ratio], 100 * (row["accuracy"] - study["dense"])) for study, row in rows]


if __name__ == "__main__":
    main()
