"""Draw the picture of README.md from the records: points lost against bytes, and against time.

    make results

Left: study B as measured here (``studies/b``, ``studies/small``), and as published (``studies/known.json``). Right: the
networks of ``sparse_engine`` with weights pruned by number, in float32, one thread and a batch of 64.
"""

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from study_runs import read_control, read_runs, smaller

from compression.reporting.figures import save_figure
from compression.reporting.figures.style import AFTER, BEFORE, SMALL, TEXT, TITLE, remove_frame

HERE = Path(__file__).resolve().parent
NETWORKS = {"resnet18-imagenet": ("ResNet-18", AFTER, "o"), "mobilenet_v2-imagenet": ("MobileNetV2", "black", "s")}
THREADS, BATCH_SIZE = 1, 64
# Nobody uses networks that lost more than this, and they would make the others hard to see.
MOST_LOST = 15.0


def main() -> None:
    """Write docs/pictures/front.png."""
    figure = Figure(figsize=(8, 3.9), layout="constrained")
    by_bytes, by_time = figure.subplots(1, 2)
    draw_bytes(by_bytes)
    draw_time(by_time)
    for axes in (by_bytes, by_time):
        axes.axhline(0, color=BEFORE, linewidth=1, zorder=0)
        axes.invert_yaxis()
        axes.set_ylabel("points of test accuracy lost (up is better)", fontsize=TEXT)
        axes.legend(fontsize=SMALL, frameon=False, loc="center left" if axes is by_bytes else "lower left")
        remove_frame(axes)
    save_figure(figure, HERE.parent / "docs" / "pictures" / "front.png")


def draw_bytes(axes: Axes) -> None:
    """Draw points lost over how many times smaller the file is.

    Ours are lost against a dense network that is trained as long as the pruned ones, those of the published sweep
    against its own dense network.
    """
    runs, control = [*read_runs("b"), *read_runs("small")], read_control()
    points = [(smaller(run), 100 * (control - run["compressed"]["accuracy"])) for run in runs]
    shown = [(ratio, lost) for ratio, lost in points if lost <= MOST_LOST]
    axes.plot(*zip(*shown, strict=True), "o", color=AFTER, markersize=5, label=f"ours (dense: {100 * control:.1f} %)")
    known = json.loads((HERE / "studies" / "known.json").read_text())["b"]
    theirs = [(row["smaller"], 100 * (known["dense"] - row["accuracy"])) for row in known["rows"]]
    axes.plot(
        *zip(*theirs, strict=True),
        "x",
        color=BEFORE,
        markersize=7,
        label=f"published (dense: {100 * known['dense']:.1f} %)",
    )
    axes.set_xscale("log")
    axes.set_xticks([3, 5, 10, 20, 30, 60], labels=["3x", "5x", "10x", "20x", "30x", "60x"])
    axes.minorticks_off()
    axes.set_xlabel("times smaller file, MobileNetV2", fontsize=TEXT)
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
    axes.set_xlabel("times faster than the fastest FP32 engine", fontsize=TEXT)
    axes.set_title("Time in the sparse engine", fontsize=TITLE, loc="left")


def points_lost(file: dict[str, Any]) -> float:
    """Return the points that the file lost against its dense model."""
    return 100 * float(file["dense_accuracy"] - file["accuracy"])


if __name__ == "__main__":
    main()
