"""The tables of studies C (ResNet-18 by distillation) and D (VGG-11 by the sensitivity of each layer)."""

from collections.abc import Iterable, Sequence

from record_tables import lost, percent, read, to_table
from study_runs import Run, fastest, read_runs, settings, smaller

# How the network of study D was pruned.
UNITS = {"layerwise_l1": "weights", "layerwise_structured_l1": "channels"}


def make_study_c() -> str:
    """Return study C as reported, by its settings and by ours: accuracy, megabytes and milliseconds."""
    header = ("settings", "stem", "width", "dense, %", "compressed, %", "lost")
    header = (*header, "dense, MB", "compressed, MB", "smaller", "one image, ms", "dense, ms")

    def list_rows() -> Iterable[Sequence[str]]:
        study = read("studies/known.json")["c"]
        [known] = study["rows"]
        yield (
            *("theirs, there", "imagenet", "1"),
            *(percent(study["dense"], 2), percent(known["accuracy"], 2), lost(study["dense"], known["accuracy"])),
            *(f"{known['megabytes'][which]:.1f}" for which in ("dense", "compressed")),
            f"{known['smaller']:.1f}x",
            *(f"{known['milliseconds'][which]:.2f}" for which in ("compressed", "dense")),
        )
        for run in read_runs("c"):
            sizes = (run["dense"]["bytes"]["safetensors"], run["compressed"]["bytes"]["artifact"])
            yield (
                "theirs, here" if run["run"] == known["run"] else "ours",
                run["stem"],
                f"{run['width']:g}",
                *(percent(run[which]["accuracy"], 2) for which in ("dense", "compressed")),
                lost(run["dense"]["accuracy"], run["compressed"]["accuracy"]),
                *(f"{size / 1e6:.1f}" for size in sizes),
                f"{smaller(run):.1f}x",
                *(f"{fastest(run, which):.2f}" for which in ("compressed", "dense")),
            )

    return to_table(header, list_rows(), text=2)


def make_study_d() -> str:
    """Return the two prunings of study D: accuracy before and after fine-tuning, bytes, MACs and milliseconds."""
    header = ("pruned", "%", "epochs", "held out before fine-tuning, %", "after, %", "test, %", "lost")
    header = (*header, "million MACs", "model.cmp, KiB", "smaller", "one image, ms", "dense, ms")

    def cells(run: Run) -> Sequence[str]:
        pruned, _, _, epochs = settings(run)
        made, accuracy = run["compressed"], run["val_accuracy"]
        return (
            *(UNITS[run["strategy"]], pruned, epochs),
            percent(accuracy["prune"], 2),
            percent(accuracy["finetune"], 2) if "finetune" in accuracy else "-",
            percent(made["accuracy"], 2),
            lost(run["dense"]["accuracy"], made["accuracy"]),
            f"{made['nonzero_macs'] / 1e6:.1f}",
            f"{made['bytes']['artifact'] / 1024:,.0f}",
            f"{smaller(run):.1f}x",
            *(f"{fastest(run, which):.2f}" for which in ("compressed", "dense")),
        )

    return to_table(header, map(cells, read_runs("d")))
