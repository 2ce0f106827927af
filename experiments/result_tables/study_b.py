"""The table of study B."""

from collections.abc import Sequence

from result_tables.runs import Run, in_order, lost_against_control, read_runs, settings, smaller, speed_cells
from result_tables.table import lost, percent, to_table


def make_study_b() -> str:
    """Return the runs of study B: accuracy against both dense networks, bytes, and speed in the sparse engine."""
    header: Sequence[str] = ("pruned, %", "weight bits", "activation bits", "epochs", "dense, %", "test, %", "lost")
    header = (*header, "lost against control", "file, KiB", "smaller")
    header = (*header, "sparse, batch 1", "64", "others, batch 1", "64")

    def cells(run: Run) -> Sequence[str]:
        accuracy = run["compressed"]["accuracy"]
        return (
            *settings(run),
            percent(run["dense"]["accuracy"]),
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            lost_against_control(run),
            f"{run['compressed']['bytes']['artifact'] / 1024:.0f}",
            f"{smaller(run):.1f}x",
            *speed_cells(run),
        )

    return to_table(header, map(cells, in_order(read_runs("b"))), text=0)
