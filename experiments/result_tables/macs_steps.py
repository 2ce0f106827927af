"""The table of pruning steps by weights and by MACs."""

from collections.abc import Sequence
from typing import Any

from result_tables.table import percent, read, to_table


def make_steps() -> str:
    """Return MACs and held-out accuracy after each pruning step, by number of weights and by MACs."""
    found = read("pruning_for_macs/steps.json")

    def cells(row: Any) -> Sequence[str]:
        return tuple(percent(row[name]) for name in ("weights_left", "macs_left", "val_accuracy"))

    rows = (
        (str(number), *cells(plain), *cells(costed))
        for number, (plain, costed) in enumerate(zip(found["weights"], found["macs"], strict=True), start=1)
    )
    header = ("step", "weights: weights left, %", "MACs left, %", "held-out, %")
    return to_table((*header, "MACs: weights left, %", "MACs left, %", "held-out, %"), rows, text=0)
