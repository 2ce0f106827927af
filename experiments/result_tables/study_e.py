"""The table of study E."""

from collections.abc import Sequence

from result_tables.runs import Run, in_order, lost_against_control, lost_interval, name_fastest, read_runs
from result_tables.table import lost, percent, to_table


def make_study_e() -> str:
    """Return the runs of study E: accuracy, bytes by codec, and milliseconds to load and to run."""
    header: Sequence[str] = ("pruned, %", "dense, %", "test, %", "lost", "95 % interval", "lost against control")
    header = (*header, "model.cmp, KiB", "COO, KiB", "CSR, KiB", "load, ms", "dense", "one image, ms", "dense")

    def cells(run: Run) -> Sequence[str]:
        accuracy, codecs = run["compressed"]["accuracy"], run["codec_bytes"]
        return (
            f"{100 * run['target_sparsity']:.0f}",
            percent(run["dense"]["accuracy"]),
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            lost_interval(run, run),
            lost_against_control(run),
            *(f"{size / 1024:,.0f}" for size in (run["compressed"]["bytes"]["artifact"], codecs["coo"], codecs["csr"])),
            *(f"{1000 * run['load_seconds'][which]:.0f}" for which in ("compressed", "dense")),
            *(name_fastest(run, which) for which in ("compressed", "dense")),
        )

    return to_table(header, map(cells, in_order(read_runs("e"))), text=0)
