"""The table that the first command prints."""

import textwrap
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from compression.reporting.result_table import make_rows, to_rich
from result_tables.table import read


def make_demo() -> str:
    """Return the table that the first command prints, as an indented block, and what it says in words."""
    metrics = read("digits/demo.json")
    console = Console(width=100, color_system=None, legacy_windows=False)
    title = f"{metrics['run']['name']}, {metrics['compressed']['test_images']:,} test images"
    with console.capture() as captured:
        console.print(to_rich(make_rows(metrics), title))
    table = "\n".join(f"    {line.rstrip()}".rstrip() for line in captured.get().rstrip().splitlines())
    return f"{table}\n\n{_describe(metrics)}"


def _describe(metrics: Mapping[str, Any]) -> str:
    dense, compressed = (100 * metrics[which]["accuracy"] for which in ("dense", "compressed"))
    change = metrics["failure_modes"]["change"]["accuracy"]
    low, high = (100 * change[end] for end in ("low", "high"))
    found = [row for row in metrics["timing"]["latency"] if row["batch_size"] == 1]
    times = [min(row[which]["latency_ms"]["median"] for row in found) for which in ("dense", "compressed")]
    words = (
        f"So the file is {metrics['improvement']['compression_ratio']:.1f} times smaller, and one image takes"
        f" {times[1]:.2f} instead of {times[0]:.2f} ms. Accuracy changes from {dense:.1f} to {compressed:.1f} %, which"
        f" {'may be chance' if high > 0 else 'is more than chance'} on"
        f" {metrics['compressed']['test_images']:,} images (95 % interval: {low:+.1f} to {high:+.1f} points). MACs"
        " are multiplications with an addition."
    )
    return textwrap.fill(words, width=120)
