"""The table of study D: VGG-11, pruned by the sensitivity of each layer."""

from collections.abc import Sequence

from result_tables.runs import Run, lost_against_control, lost_interval, name_fastest, read_runs, settings, smaller
from result_tables.table import lost, percent, to_table

# How a network was pruned.
UNITS = {"layerwise_l1": "weights", "layerwise_structured_l1": "channels"}


def make_study_d() -> str:
    """Return the two prunings of study D: accuracy before and after fine-tuning, bytes, MACs and milliseconds."""
    header: Sequence[str] = ("pruned", "%", "epochs", "held out before fine-tuning, %", "after, %", "test, %", "lost")
    header = (
        *header,
        "95 % interval",
        "lost against control",
        "million MACs",
        "model.cmp, KiB",
        "smaller",
        "one image, ms",
        "dense, ms",
    )

    def cells(run: Run) -> Sequence[str]:
        pruned, _, _, epochs = settings(run)
        made, accuracy = run["compressed"], run["val_accuracy"]
        return (
            *(UNITS[run["strategy"]], pruned, epochs),
            percent(accuracy["prune"], 2),
            percent(accuracy["finetune"], 2) if "finetune" in accuracy else "-",
            percent(made["accuracy"], 2),
            lost(run["dense"]["accuracy"], made["accuracy"]),
            lost_interval(run, run),
            lost_against_control(run),
            f"{made['nonzero_macs'] / 1e6:.1f}",
            f"{made['bytes']['artifact'] / 1024:,.0f}",
            f"{smaller(run):.1f}x",
            *(name_fastest(run, which) for which in ("compressed", "dense")),
        )

    return to_table(header, map(cells, read_runs("d")))


def make_classes_d() -> str:
    """Return the test accuracy of every class in percent: dense, and after each of the two prunings."""
    runs = read_runs("d")
    columns = [runs[0]["dense"], *(run["compressed"] for run in runs)]
    header = ("class", "dense", *(f"without {settings(run)[0]} % of {UNITS[run['strategy']]}" for run in runs))
    by_class = [column["accuracy_per_class"] for column in columns]
    worst_first = sorted(by_class[0], key=lambda label: float(by_class[0][label]))
    return to_table(header, [(label, *(percent(found[label]) for found in by_class)) for label in worst_first])
