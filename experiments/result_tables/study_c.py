"""The table of study C: ResNet-18, distilled, pruned and quantized."""

from collections.abc import Iterable, Sequence

from result_tables.runs import lost_against_control, lost_interval, name_fastest, read_runs, smaller
from result_tables.table import lost, percent, read, to_table


def make_study_c() -> str:
    """Return study C as reported, by its settings and by ours: accuracy, megabytes and milliseconds."""
    header: Sequence[str] = (
        "settings",
        "stem",
        "dense, %",
        "compressed, %",
        "lost",
        "95 % interval",
        "lost against control",
    )
    header = (*header, "dense, MB", "compressed, MB", "smaller", "one image, ms", "dense, ms")

    def list_rows() -> Iterable[Sequence[str]]:
        study = read("studies/known.json")["c"]
        [known] = study["rows"]
        yield (
            *("theirs, there", "imagenet"),
            *(percent(study["dense"], 2), percent(known["accuracy"], 2), lost(study["dense"], known["accuracy"])),
            *("-", "-"),
            *(f"{known['megabytes'][which]:.1f}" for which in ("dense", "compressed")),
            f"{known['smaller']:.1f}x",
            *(f"{known['milliseconds'][which]:.2f}" for which in ("compressed", "dense")),
        )
        for run in read_runs("c"):
            sizes = (run["dense"]["bytes"]["safetensors"], run["compressed"]["bytes"]["artifact"])
            yield (
                "theirs, here" if run["run"] == known["run"] else "ours",
                run["stem"],
                *(percent(run[which]["accuracy"], 2) for which in ("dense", "compressed")),
                lost(run["dense"]["accuracy"], run["compressed"]["accuracy"]),
                lost_interval(run, run),
                lost_against_control(run),
                *(f"{size / 1e6:.1f}" for size in sizes),
                f"{smaller(run):.1f}x",
                *(name_fastest(run, which) for which in ("compressed", "dense")),
            )

    return to_table(header, list_rows(), text=2)
