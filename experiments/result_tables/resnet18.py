"""The table of the pruned ResNet-18."""

from collections.abc import Sequence

from result_tables.runs import (
    Run,
    lost_against_control,
    lost_interval,
    price,
    read_runs,
    settings,
    smaller,
    speed_cells,
)
from result_tables.table import lost, percent, to_table


def make_resnet18() -> str:
    """Return a pruned ResNet-18, in float32 and with a price on the bits of its file: accuracy, bytes and speed."""
    header: Sequence[str] = ("pruned, %", "weight bits", "activation bits", "price of a bit", "test, %", "lost")
    header = (
        *header,
        "95 % interval",
        "lost against control",
        "file, KiB",
        "smaller",
        "sparse, batch 1",
        "64",
        "others, batch 1",
        "64",
    )

    def cells(run: Run) -> Sequence[str]:
        accuracy = run["compressed"]["accuracy"]
        return (
            *settings(run)[:3],
            price(run),
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            lost_interval(run, run),
            lost_against_control(run),
            f"{run['compressed']['bytes']['artifact'] / 1024:,.0f}",
            f"{smaller(run):.1f}x",
            *speed_cells(run),
        )

    return to_table(header, map(cells, sorted(read_runs("resnet18"), key=smaller)), text=0)
