"""The table of the sweep on CIFAR-10."""

import csv
from collections.abc import Sequence

from result_tables.table import HERE, lost, percent, read, to_table


def make_sweep() -> str:
    """Return accuracy and bytes of the twelve configurations."""
    rows, longer = sorted(read_sweep(), key=lambda row: float(row["compression_ratio"])), read("sweeps/dense_20.json")
    header: Sequence[str] = ("pruned, %", "weight bits", "activation bits", "test, %", "points lost")
    header = (*header, "file, KiB", "smaller", f"lost against {longer['epochs']} epochs")
    return to_table(
        header,
        (
            (
                f"{100 * float(row['axis.sparsity']):.0f}",
                row["weight_bits"],
                row["activation_bits"],
                percent(float(row["accuracy"])),
                f"{float(row['drop_points']):+.2f}",
                f"{int(row['bytes']) / 1024:.0f}",
                f"{float(row['compression_ratio']):.1f}x",
                lost(longer["accuracy"], float(row["accuracy"])),
            )
            for row in rows
        ),
        text=0,
    )


def read_sweep() -> list[dict[str, str]]:
    """Return the twelve jobs of the sweep on CIFAR-10."""
    with (HERE / "sweeps" / "cifar10" / "results.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["kind"] == "grid"]
