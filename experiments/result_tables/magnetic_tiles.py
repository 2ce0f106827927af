"""The table of the magnetic tiles."""

from collections.abc import Iterable, Sequence

from result_tables.table import read, to_table


def make_tiles() -> str:
    """Return the scores of networks on the magnetic tiles."""

    def write(share: list[float]) -> str:
        value, low, high = (100 * number for number in share)
        return f"{value:.1f} ({low:.1f} to {high:.1f})"

    def list_rows() -> Iterable[Sequence[str]]:
        for row in read("magnetic_tiles/results.json"):
            for kind in ("dense",) if row["compressed_to"] == "dense" else ("compressed",):
                found = row[kind]
                accuracies = {name: share[0] for name, share in found["classes"].items()}
                worst = min(accuracies, key=accuracies.__getitem__)
                named = (row["start"], row["fit"], row["class_weights"], row["compressed_to"])
                scores = (write(found["accuracy"]), write(found["balanced"]))
                yield (*named, *scores, f"{worst} {100 * accuracies[worst]:.1f}")

    header = ("start", "fit", "class weights", "compressed", "accuracy, %", "balanced accuracy, %", "worst class, %")
    return to_table(header, list_rows(), text=4)
