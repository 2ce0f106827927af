"""The table of the known studies: what each reports, beside what was measured here."""

from collections.abc import Iterable, Sequence

from result_tables.runs import NOT_RUN, Run, find_run, smaller
from result_tables.table import lost, percent, read, to_table

STRATEGIES = {
    "oneshot_l1": "smallest weights, at once",
    "iterative_l1": "smallest weights, in steps",
    "oneshot_random": "random weights, at once",
    "iterative_structured_l2": "channels, in steps",
}


def make_studies() -> str:
    """Return every row that the studies report, with points lost there and here."""

    def list_rows() -> Iterable[Sequence[str]]:
        for letter, study in read("studies/known.json").items():
            for known in study["rows"]:
                found = find_run(letter, known)
                yield (
                    letter.upper(),
                    STRATEGIES[known["strategy"]],
                    f"{100 * known['sparsity']:.0f}",
                    str(known["bits"]),
                    percent(study["dense"]),
                    lost(study["dense"], known["accuracy"]),
                    f"{known['smaller']:.1f}x" if "smaller" in known else "-",
                    *_ours(found),
                )

    header = ("study", "pruned", "%", "bits", "dense there, %", "lost there", "smaller there")
    return to_table((*header, "dense here, %", "lost here", "smaller here"), list_rows(), text=2)


def _ours(found: Run | None) -> Sequence[str]:
    if found is None:
        return (NOT_RUN, "", "")
    dense, compressed = found["dense"], found["compressed"]
    return (percent(dense["accuracy"]), lost(dense["accuracy"], compressed["accuracy"]), f"{smaller(found):.1f}x")
