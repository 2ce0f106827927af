"""Tables of this experiment over the test images of all folds, and results.json.

python experiments/magnetic_tiles/collect.py outputs/tiles-*
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from compression.analysis.intervals import Interval, mean_share_interval, wilson_interval

HERE = Path(__file__).parent
Counts = dict[str, np.ndarray]


def main() -> None:
    """Read the folders of sweeps named on the command line; write results.json; print the tables."""
    found: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for folder in sys.argv[1:]:
        for path in sorted(Path(folder).glob("*/metrics.json")):
            settings = yaml.safe_load((path.parent / "config" / "config.yaml").read_text())
            found[describe(settings)].append(json.loads(path.read_text()))
    rows = [make_row(key, documents) for key, documents in sorted(found.items())]
    (HERE / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    print_accuracy([row for row in rows if row["compressed_to"] == "dense"])
    for row in rows:
        if row["compressed_to"] != "dense":
            print_cost(row)


def describe(settings: dict[str, Any]) -> tuple[str, ...]:
    """Return what tells the rows of the table apart: start, fit, weights of classes, sparsity and bits."""
    start = "CIFAR-10" if settings["model"]["weights"] else "scratch"
    prunes = settings["strategy"]["name"] != "none"
    compressed = f"{100 * settings['sparsity']:g} %, {settings['bits']} bits" if prunes else "dense"
    return start, settings["data"]["fit"], str(settings["training"]["class_weights"]), compressed


def make_row(key: tuple[str, ...], documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one configuration, pooled over its folds."""
    models = {name: pool([document[name] for document in documents]) for name in ("dense", "compressed")}
    first = documents[0]
    return {
        **dict(zip(("start", "fit", "class_weights", "compressed_to"), key, strict=True)),
        "folds": len(documents),
        "sparsity": first["compressed"]["sparsity"],
        "bytes": {name: mean([document[name]["bytes"]["artifact"] for document in documents]) for name in models},
        "macs_left": mean([one["compressed"]["nonzero_macs"] / one["dense"]["nonzero_macs"] for one in documents]),
        "latency": first["timing"]["latency"],
        **{name: summarize(counts) for name, counts in models.items()},
    }


def mean(values: list[float]) -> float:
    """Return the mean of ``values``."""
    return float(np.mean(values))


def pool(models: list[dict[str, Any]]) -> Counts:
    """Return (right, images) of each class over all folds."""
    return {name: np.sum([model["classes"][name] for model in models], axis=0) for name in models[0]["classes"]}


def summarize(counts: Counts) -> dict[str, Any]:
    """Return accuracy, balanced accuracy and the recall of each class, with 95 % intervals."""
    hits, images = (np.array([one[place] for one in counts.values()]) for place in (0, 1))
    return {
        "accuracy": to_list(wilson_interval(int(hits.sum()), images=int(images.sum()))),
        "balanced": to_list(mean_share_interval(hits, images=images)),
        "classes": {name: to_list(wilson_interval(int(one[0]), images=int(one[1]))) for name, one in counts.items()},
    }


def to_list(share: Interval) -> list[float]:
    """Return value, low and high."""
    return [share.value, share.low, share.high]


def write(share: list[float]) -> str:
    """Return e.g. ``52.1 (48.0 to 56.2)`` in percent."""
    value, low, high = (100 * number for number in share)
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def print_accuracy(rows: list[dict[str, Any]]) -> None:
    """Print the table of dense networks."""
    print("| start | fit | class weights | accuracy, % | balanced accuracy, % | worst class, % |")
    print("|---|---|---|---:|---:|---|")
    for row in rows:
        found = row["dense"]
        accuracies = {name: share[0] for name, share in found["classes"].items()}
        worst = min(accuracies, key=accuracies.__getitem__)
        print(
            f"| {row['start']} | {row['fit']} | {row['class_weights']} | {write(found['accuracy'])} | "
            f"{write(found['balanced'])} | {worst} {write(found['classes'][worst])} |"
        )


def print_cost(row: dict[str, Any]) -> None:
    """Print what compression costs: accuracies, each class, bytes, and latency in each engine in the first fold."""
    dense, compressed = row["dense"], row["compressed"]
    print(f"\n| {row['compressed_to']}, {row['folds']} folds | dense | compressed |\n|---|---:|---:|")
    print(f"| accuracy, % | {write(dense['accuracy'])} | {write(compressed['accuracy'])} |")
    print(f"| balanced accuracy, % | {write(dense['balanced'])} | {write(compressed['balanced'])} |")
    for name, share in dense["classes"].items():
        print(f"| {name}, % | {write(share)} | {write(compressed['classes'][name])} |")
    kib = [f"{row['bytes'][name] / 1024:,.0f}" for name in ("dense", "compressed")]
    print(f"| file, KiB | {kib[0]} | {kib[1]} |\n| MACs of non-zero weights, % | 100 | {100 * row['macs_left']:.1f} |")
    for one in row["latency"]:
        times = [f"{one[name]['latency_ms']['median']:.3g}" if one[name] else "-" for name in ("dense", "compressed")]
        print(f"| {one['engine']}, batch {one['batch_size']}, ms | {times[0]} | {times[1]} |")


if __name__ == "__main__":
    main()
