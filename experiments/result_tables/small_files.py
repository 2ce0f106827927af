"""The tables of the smallest files: the attempts, and what the price of a bit must know of the layers."""

from collections.abc import Sequence

from result_tables.runs import (
    Run,
    find_reference,
    lost_interval,
    points_lost,
    price,
    read_runs,
    settings,
    smaller,
    speed_ratio,
)
from result_tables.table import lost, percent, read, to_table

# Times that a file is to be smaller.
GOAL = 60
# The exponents of a layer's mean cost.
EXPONENTS = {1.0: "by gradients alone, %", 0.5: "with square roots (in use), %", 0.0: "all layers alike, %"}


def make_small_files() -> str:
    """Return the attempts at a file 60 times smaller: how it was made, accuracy, bytes, and speed with 64 images."""
    header: Sequence[str] = ("pruned, %", "epochs", "weight bits", "activation bits", "price of a bit")
    header = (*header, "zeros in the file, %", "start, %", "reference, %", "test, %", "lost", "95 % interval")
    header = (*header, "file, KiB", "smaller", "sparse, 64", "others, 64")

    def cells(run: Run) -> Sequence[str]:
        accuracy, reference = run["compressed"]["accuracy"], find_reference(run)
        dense = reference["dense"]["accuracy"]
        pruned, *bits, epochs = settings(run)
        return (
            pruned,
            epochs,
            *bits,
            price(run),
            percent(run["sparsity"]),
            percent(run["dense"]["accuracy"], 2),
            percent(dense, 2),
            percent(accuracy, 2),
            lost(dense, accuracy),
            lost_interval(run, reference),
            f"{run['compressed']['bytes']['artifact'] / 1024:.0f}",
            f"{smaller(run):.1f}x",
            *(f"{speed_ratio(run, 64, sparse=sparse):.1f}x" for sparse in (True, False)),
        )

    return to_table(header, map(cells, sorted(read_runs("small"), key=smaller)), text=0)


def find_goal_file() -> Run:
    """Return the most accurate of the files that are small enough."""
    return min((run for run in read_runs("small") if smaller(run) >= GOAL), key=points_lost)


def make_exponents() -> str:
    """Return the held-out accuracy of two networks by KiB of codes, and by how the costs of layers are compared."""
    rows = {(_stem(row), row["target_kib"], row["exponent"]): row for row in read("studies/small/exponents.json")}

    def cells(stem: str, size: float) -> Sequence[str]:
        found = [rows.get((stem, size, exponent)) for exponent in EXPONENTS]
        before = next(row["before"] for row in found if row)
        return (stem, f"{size:.0f}", percent(before), *(percent(row["accuracy"]) if row else "-" for row in found))

    pairs = {(stem, size) for stem, size, _ in rows}
    header = ("MobileNetV2", "codes, KiB", "before, %", *EXPONENTS.values())
    return to_table(header, [cells(stem, size) for stem, size in sorted(pairs, key=lambda pair: (pair[0], -pair[1]))])


def _stem(row: Run) -> str:
    return "ImageNet stem" if "model.stem=imagenet" in row["overrides"] else "CIFAR stem"
