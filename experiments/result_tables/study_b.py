"""The tables of study B."""

import itertools
from collections.abc import Iterable, Sequence

from result_tables.runs import (
    NOT_RUN,
    Run,
    find_reference,
    in_order,
    lost_against_control,
    lost_interval,
    read_runs,
    settings,
    smaller,
    speed_cells,
)
from result_tables.small_files import find_goal_file
from result_tables.table import lost, percent, to_table

# The twelve points of the study, and three without rounding: fraction pruned, bits of weights and of activations.
POINTS = [
    (pruned, weight_bits, activation_bits)
    for pruned in (0.5, 0.7, 0.9)
    for weight_bits, activation_bits in ((32, 32), *itertools.product((8, 6), (8, 6)))
]


def make_study_b() -> str:
    """Return the points of study B: accuracy against both dense networks, bytes, and speed in the engines."""
    header: Sequence[str] = ("pruned, %", "weight bits", "activation bits", "epochs", "dense, %", "test, %", "lost")
    header = (*header, "95 % interval", "lost against control", "file, KiB", "smaller")
    header = (*header, "sparse, batch 1", "64", "others, batch 1", "64")
    runs = {_point(run): run for run in read_runs("b")}

    def cells(point: tuple[float, int, int]) -> Sequence[str]:
        if point not in runs:
            pruned, *bits = point
            return (f"{100 * pruned:.0f}", *map(str, bits), "", "", NOT_RUN, *[""] * (len(header) - 6))
        run = runs[point]
        accuracy = run["compressed"]["accuracy"]
        return (
            *settings(run),
            percent(run["dense"]["accuracy"]),
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            lost_interval(run, run),
            lost_against_control(run),
            f"{run['compressed']['bytes']['artifact'] / 1024:.0f}",
            f"{smaller(run):.1f}x",
            *speed_cells(run),
        )

    return to_table(header, map(cells, POINTS), text=0)


def make_classes() -> str:
    """Return the best and the worst class of the dense network and of each file, and the class that lost most.

    The last row is the most accurate of the smallest files (``studies/small``), beside its reference.
    """
    header = ("network", "best class", "%", "worst class", "%", "loses most", "points")
    runs = in_order(read_runs("b"))
    small = find_goal_file()
    rows: list[Sequence[str]] = [("dense", *_extremes(runs[0]["dense"]["accuracy_per_class"]), "", "")]
    rows += [_classes(_name(run), run, run) for run in runs]
    rows += [_classes(f"{smaller(small):.1f}x smaller", small, find_reference(small))]
    return to_table(header, rows, text=2)


def _classes(name: str, run: Run, reference: Run) -> Sequence[str]:
    before, after = reference["dense"]["accuracy_per_class"], run["compressed"]["accuracy_per_class"]
    most = max(before, key=lambda label: float(before[label] - after[label]))
    return (name, *_extremes(after), most, lost(before[most], after[most]))


def _extremes(by_class: dict[str, float]) -> Iterable[str]:
    for choose in (max, min):
        label = choose(by_class, key=lambda label: by_class[label])
        yield label
        yield percent(by_class[label])


def _name(run: Run) -> str:
    _, weight_bits, activation_bits = _point(run)
    return f"{100 * run['target_sparsity']:.0f} %, W{weight_bits}A{activation_bits}"


def _point(run: Run) -> tuple[float, int, int]:
    return run["target_sparsity"], run["weight_bits"], run["activation_bits"]
