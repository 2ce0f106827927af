"""The table of study A."""

from collections.abc import Mapping, Sequence
from typing import Any

from result_tables.known_studies import STRATEGIES
from result_tables.runs import (
    NOT_RUN,
    count_epochs,
    find_run,
    lost_against_control,
    lost_interval,
    name_fastest,
    smaller,
)
from result_tables.table import lost, percent, read, to_table


def make_study_a() -> str:
    """Return the five pruned networks of study A: points lost there and here, bytes, and the time of one image."""
    known = read("studies/known.json")["a"]
    header: Sequence[str] = (
        "pruned",
        "%",
        "epochs",
        "lost there",
        "test, %",
        "lost",
        "95 % interval",
        "lost against control",
    )
    header = (*header, "gzip, KiB", "model.cmp, KiB", "smaller", "one image, ms", "dense, ms")

    def cells(row: Mapping[str, Any]) -> Sequence[str]:
        name = (STRATEGIES[row["strategy"]], f"{100 * row['sparsity']:.0f}")
        run = find_run("a", row)
        if run is None:
            return (*name, "", lost(known["dense"], row["accuracy"]), NOT_RUN, *[""] * 8)
        accuracy, sizes = run["compressed"]["accuracy"], run["compressed"]["bytes"]
        return (
            *name,
            count_epochs(run),
            lost(known["dense"], row["accuracy"]),
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            lost_interval(run, run),
            lost_against_control(run),
            *(f"{sizes[kind] / 1024:,.0f}" for kind in ("gzip_state_dict", "artifact")),
            f"{smaller(run):.1f}x",
            *(name_fastest(run, which) for which in ("compressed", "dense")),
        )

    return to_table(header, map(cells, known["rows"]))
