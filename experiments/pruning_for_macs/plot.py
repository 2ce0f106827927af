"""Draw points lost against speed, for weights pruned by number and for MACs: accuracy_speed.png.

    python experiments/pruning_for_macs/plot.py

Reads results.json of this folder, and the speed of the same files from ../sparse_engine, for one thread
and a batch of 64. Error bars are the standard deviation over seeds.
"""

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from compression.reporting.figures import save_figure
from compression.reporting.figures.style import AFTER, BEFORE, SMALL, TEXT, TITLE, remove_frame

HERE = Path(__file__).parent
TITLES = {"mobilenet_v2": "MobileNetV2", "resnet18": "ResNet-18"}
COLOURS = {"weights": BEFORE, "macs": AFTER}
LABELS = {"weights": "number of weights", "macs": "strategy.target=macs"}
THREADS, BATCH_SIZE = 1, 64


def main() -> None:
    """Draw one panel for each model."""
    rows = json.loads((HERE / "results.json").read_text())
    models = [model for model in TITLES if any(row["model"] == model for row in rows)]
    figure = Figure(figsize=(4.6 * len(models), 3.8), layout="constrained")
    for place, model in enumerate(models, start=1):
        axes = figure.add_subplot(1, len(models), place)
        remove_frame(axes)
        for ranking, colour in COLOURS.items():
            draw_line(axes, model, [row for row in rows if (row["model"], row["ranking"]) == (model, ranking)], colour)
        axes.set_title(TITLES[model], fontsize=TITLE, loc="left")
        axes.set_xlabel("times faster than the best dense engine", fontsize=TEXT)
        axes.set_ylabel("points lost", fontsize=TEXT)
        axes.invert_yaxis()
        axes.legend(fontsize=SMALL, frameon=False)
    save_figure(figure, HERE / "accuracy_speed.png")


def draw_line(axes: Any, model: str, rows: list[dict[str, Any]], colour: str) -> None:
    """Draw the rows of one ranking, each with its sparsity beside it."""
    timed = [(speed, row) for row in rows if (speed := find_speed(model, row)) is not None]
    axes.errorbar(
        [speed for speed, _ in timed],
        [row["drop"] for _, row in timed],
        yerr=[row["drop_stdev"] or 0 for _, row in timed],
        color=colour,
        marker="o",
        markersize=4,
        capsize=2,
        label=LABELS[rows[0]["ranking"]] if rows else None,
    )
    for speed, row in timed:
        axes.annotate(
            f"{100 * row['sparsity']:g} %",
            (speed, row["drop"]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=SMALL,
        )


def find_speed(model: str, row: dict[str, Any]) -> float | None:
    """Return how many times faster the sparse engine runs the file of ``row``; None if it was not timed."""
    record = json.loads((HERE.parent / "sparse_engine" / f"{model}-imagenet" / "results.json").read_text())
    for timed in record["rows"]:
        place = (timed["engine"], timed["file"], timed["threads"], timed["batch_size"])
        if place == ("sparse", f"{row['ranking']}-{row['sparsity']:g}", THREADS, BATCH_SIZE):
            return float(timed["speedup"]["dense"]["median"])
    return None


if __name__ == "__main__":
    main()
