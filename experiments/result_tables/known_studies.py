"""The table of the known studies: what each reports, beside what was measured here."""

from collections.abc import Iterable, Sequence

from result_tables.runs import NOT_RUN, Run, find_run, lost_interval, smaller, sum_epochs
from result_tables.table import lost, percent, read, to_table

STRATEGIES = {
    "oneshot_l1": "smallest weights, at once",
    "iterative_l1": "smallest weights, in steps",
    "oneshot_random": "random weights, at once",
    "iterative_structured_l2": "channels, in steps",
}
# The epochs of the stored dense networks (studies/dense).
DENSE_EPOCHS = {"mobilenet_v2.safetensors": 24, "mobilenet_v2_longer.safetensors": 42}


def make_studies() -> str:
    """Return every row that the studies report, with points lost there and here.

    Epochs are those of the dense network and those after it.
    """

    def list_rows() -> Iterable[Sequence[str]]:
        for letter, study in read("studies/known.json").items():
            for known in study["rows"]:
                found = find_run(letter, known)
                yield (
                    letter.upper(),
                    STRATEGIES[known["strategy"]],
                    f"{100 * known['sparsity']:.0f}",
                    str(known["bits"]),
                    study.get("epochs", "-"),
                    percent(study["dense"], 2),
                    lost(study["dense"], known["accuracy"]),
                    f"{known['smaller']:.1f}x" if "smaller" in known else "-",
                    *_ours(found),
                )

    header: Sequence[str] = ("study", "pruned", "%", "bits", "epochs there", "dense there, %", "lost there")
    header = (*header, "smaller there", "epochs here", "dense here, %", "lost here", "95 % interval", "smaller here")
    return to_table(header, list_rows(), text=2)


def _ours(found: Run | None) -> Sequence[str]:
    if found is None:
        return (NOT_RUN, "", "", "", "")
    dense, compressed = found["dense"], found["compressed"]
    before = found["epochs"].get("dense") or DENSE_EPOCHS[found["weights"]]
    return (
        f"{before} + {sum_epochs(found)}",
        percent(dense["accuracy"], 2),
        lost(dense["accuracy"], compressed["accuracy"]),
        lost_interval(found, found),
        f"{smaller(found):.1f}x",
    )
