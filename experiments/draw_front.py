"""Draw the picture of README.md from the records: points lost against bytes, and against time.

    make results

Left: the sweep of ``sweeps``, and a published sweep of the same configurations. Right: the networks of
``sparse_engine`` with weights pruned by number, in float32, one thread and a batch of 64.
"""

import csv
import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compression.reporting.figures import save_figure
from compression.reporting.figures.style import AFTER, BEFORE, SMALL, TEXT, TITLE, remove_frame

HERE = Path(__file__).resolve().parent
# A published study of MobileNetV2 on CIFAR-10 after 200 epochs: times smaller by formula, and percent of test images.
KNOWN, KNOWN_DENSE = ((3.34, 87.12), (6.45, 89.12), (8.98, 86.78), (18.67, 82.15)), 89.45
NETWORKS = {"resnet18-imagenet": ("ResNet-18", AFTER, "o"), "mobilenet_v2-imagenet": ("MobileNetV2", "black", "s")}
THREADS, BATCH_SIZE = 1, 64
# Networks that lost more than this are of no use, and would make the others hard to see.
MOST_LOST = 15.0


def main() -> None:
    """Write docs/pictures/front.png."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_bytes, by_time = figure.subplots(1, 2)
    draw_bytes(by_bytes)
    draw_time(by_time)
    for axes in (by_bytes, by_time):
        axes.axhline(0, color=BEFORE, linewidth=1, zorder=0)
        axes.invert_yaxis()
        axes.set_ylabel("points of test accuracy lost", fontsize=TEXT)
        axes.legend(fontsize=SMALL, frameon=False, loc="lower left")
        remove_frame(axes)
    save_figure(figure, HERE.parent / "docs" / "pictures" / "front.png")


def draw_bytes(axes: Axes) -> None:
    """Draw points lost against the dense model of each study, over how many times smaller the file is."""
    with (HERE / "sweeps" / "cifar10" / "results.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "grid"]
    ratios = [float(row["compression_ratio"]) for row in rows]
    axes.plot(ratios, [float(row["drop_points"]) for row in rows], "o", color=AFTER, markersize=5, label="ours")
    known = [ratio for ratio, _ in KNOWN], [KNOWN_DENSE - accuracy for _, accuracy in KNOWN]
    axes.plot(*known, "x", color=BEFORE, markersize=7, label="a published sweep")
    axes.set_xscale("log")
    axes.set_xticks([3, 5, 10, 20, 30], labels=["3x", "5x", "10x", "20x", "30x"])
    axes.minorticks_off()
    axes.set_xlabel("smaller file, MobileNetV2, 6 and 8 bits", fontsize=TEXT)
    axes.set_title("Bytes on disk", fontsize=TITLE, loc="left")


def draw_time(axes: Axes) -> None:
    """Draw points lost over the speed in the sparse engine, against the fastest dense engine."""
    for network, (title, colour, marker) in NETWORKS.items():
        document = json.loads((HERE / "sparse_engine" / network / "results.json").read_text())
        points = [
            (row["speedup"]["dense"]["median"], lost, label)
            for row in document["rows"]
            if (row["engine"], row["threads"], row["batch_size"]) == ("sparse", THREADS, BATCH_SIZE)
            and (label := row["file"]).startswith("weights")
            and (lost := points_lost(document["files"][label])) <= MOST_LOST
        ]
        axes.plot(
            [speed for speed, *_ in points],
            [lost for _, lost, _ in points],
            marker=marker,
            color=colour,
            markersize=5,
            label=title,
        )
        for speed, lost, label in points:
            place = {"xytext": (5, 4), "textcoords": "offset points", "fontsize": SMALL}
            axes.annotate(f"{100 * float(label.partition('-')[2]):g} % zeros", (speed, lost), **place)
    axes.set_xlabel("times faster than the fastest dense engine", fontsize=TEXT)
    axes.set_title("Time in the sparse engine", fontsize=TITLE, loc="left")


def points_lost(file: dict[str, Any]) -> float:
    """Return the points that the file lost against its dense model."""
    return 100 * float(file["dense_accuracy"] - file["accuracy"])


if __name__ == "__main__":
    main()
