"""The tables of the known studies: what each reports, beside what was measured here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from record_tables import Line, lost, percent, read, to_table
from study_runs import (
    Run,
    count_epochs,
    fastest,
    find_run,
    in_order,
    price,
    read_control,
    read_runs,
    settings,
    smaller,
    speed_ratio,
)

NOT_RUN = "not run"
# Bits of a float32 weight.
FULL = 32
STRATEGIES = {
    "oneshot_l1": "smallest weights, at once",
    "iterative_l1": "smallest weights, in steps",
    "oneshot_random": "random weights, at once",
    "iterative_structured_l2": "channels, in steps",
}
# Of the accuracy, by the file that the summary names.
MOST_LOST = 0.02
# In points.
NOTHING, ONE_POINT = 0, 1


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


def make_study_a() -> str:
    """Return the five pruned networks of study A: points lost there and here, bytes, and the time of one image."""
    known = read("studies/known.json")["a"]
    header = ("pruned", "%", "epochs", "lost there", "test, %", "lost", "lost against control")
    header = (*header, "gzip, KiB", "model.cmp, KiB", "smaller", "one image, ms", "dense, ms")

    def cells(row: Mapping[str, Any]) -> Sequence[str]:
        name = (STRATEGIES[row["strategy"]], f"{100 * row['sparsity']:.0f}")
        run = find_run("a", row)
        if run is None:
            return (*name, "", lost(known["dense"], row["accuracy"]), NOT_RUN, *[""] * 7)
        accuracy, sizes = run["compressed"]["accuracy"], run["compressed"]["bytes"]
        return (
            *name,
            count_epochs(run),
            lost(known["dense"], row["accuracy"]),
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            lost(read_control(run), accuracy),
            *(f"{sizes[kind] / 1024:,.0f}" for kind in ("gzip_state_dict", "artifact")),
            f"{smaller(run):.1f}x",
            *(f"{fastest(run, which):.2f}" for which in ("compressed", "dense")),
        )

    return to_table(header, map(cells, known["rows"]))


def make_study_b() -> str:
    """Return the runs of study B: accuracy against both dense networks, bytes, and speed in the sparse engine."""
    header = ("pruned, %", "weight bits", "activation bits", "epochs", "test, %", "lost")
    header = (*header, "lost against control", "file, KiB", "smaller")
    header = (*header, "sparse, batch 1", "64", "others, batch 1", "64")

    def cells(run: Run) -> Sequence[str]:
        accuracy = run["compressed"]["accuracy"]
        return (
            *settings(run),
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            lost(read_control(run), accuracy),
            f"{run['compressed']['bytes']['artifact'] / 1024:.0f}",
            f"{smaller(run):.1f}x",
            *_speeds(run),
        )

    return to_table(header, map(cells, in_order(read_runs("b"))), text=0)


def _speeds(run: Run) -> Iterable[str]:
    """Yield the speed of a file over the fastest dense engine: sparse engine, then the others, batches of 1 and 64."""
    for sparse in (True, False):
        for batch_size in (1, 64):
            yield f"{speed_ratio(run, batch_size, sparse=sparse):.1f}x"


def make_resnet18() -> str:
    """Return a pruned ResNet-18, in float32 and with a price on the bits of its file: accuracy, bytes and speed."""
    header = ("pruned, %", "weight bits", "activation bits", "price of a bit", "test, %", "lost")
    header = (*header, "file, KiB", "smaller", "sparse, batch 1", "64", "others, batch 1", "64")

    def cells(run: Run) -> Sequence[str]:
        accuracy = run["compressed"]["accuracy"]
        return (
            *settings(run)[:3],
            price(run),
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            f"{_bytes(run) / 1024:,.0f}",
            f"{smaller(run):.1f}x",
            *_speeds(run),
        )

    return to_table(header, map(cells, sorted(read_runs("resnet18"), key=smaller)), text=0)


def make_narrow() -> str:
    """Return a narrower dense network in 8 bits, beside the pruned networks with the next larger and smaller files."""
    [narrow] = read_runs("narrow")
    # A run may be in both records.
    pruned = {run["run"]: run for run in [*read_runs("b"), *read_runs("small")] if run["weight_bits"] < FULL}
    by_size = sorted(pruned.values(), key=_bytes)
    place = sum(_bytes(run) < _bytes(narrow) for run in by_size)
    near = by_size[max(0, place - 2) : place + 1]
    dense = near[0]["dense"]
    header = ("network", "weight bits", "activation bits", "test, %", "lost", "file, KiB", "smaller", "million MACs")
    header = (*header, "one image, ms", "64")

    def cells(run: Run) -> Sequence[str]:
        accuracy = run["compressed"]["accuracy"]
        return (
            f"dense, width {run['width']:g}" if run is narrow else f"{100 * run['target_sparsity']:.0f} % pruned",
            *(str(run[bits]) for bits in ("weight_bits", "activation_bits")),
            percent(accuracy, 2),
            lost(dense["accuracy"], accuracy),
            f"{_bytes(run) / 1024:.0f}",
            f"{dense['bytes']['safetensors'] / _bytes(run):.1f}x",
            f"{run['compressed']['nonzero_macs'] / 1e6:.1f}",
            *(f"{fastest(run, 'compressed', batch_size=batch_size):.2f}" for batch_size in (1, 64)),
        )

    return to_table(header, map(cells, sorted([narrow, *near], key=_bytes, reverse=True)))


def _bytes(run: Run) -> int:
    return int(run["compressed"]["bytes"]["artifact"])


def summarize_small_file() -> Iterable[Line]:
    """Return lines on the smallest file that loses less than two points: its bytes, and its speed with 64 images."""
    found = [run for run in read_runs("small") if read_control(run) - run["compressed"]["accuracy"] < MOST_LOST]
    run = max(found, key=smaller)
    control = read_control(run)
    points = 100 * (control - run["compressed"]["accuracy"])
    made = f"{100 * run['target_sparsity']:.0f} % pruned, {run['weight_bits']} bits"
    where = f"MobileNetV2, CIFAR stem (dense: {percent(control)} %), {made}"
    yield Line(
        "studies/small",
        f"{smaller(run):.1f}x smaller file",
        f", {points:.2f} points lost beside a dense network with five more epochs",
        where,
    )
    yield _describe_speed("studies/small", run, where="the same file, two threads")


def summarize_resnet18() -> Iterable[Line]:
    """Return lines on the smallest files that lose nothing and less than a point, and on the speed of the latter."""
    runs = read_runs("resnet18")
    lossless, small = (
        max((run for run in runs if _points_lost(run) < limit), key=smaller) for limit in (NOTHING, ONE_POINT)
    )
    where = (
        f"ResNet-18, stem `light` (dense: {percent(small['dense']['accuracy'])} %), 90 % pruned, "
        f"{small['weight_bits']} bits"
    )
    more = f", nothing lost; {smaller(small):.1f}x, {_points_lost(small):.2f} points lost"
    yield Line("studies/resnet18", f"{smaller(lossless):.1f}x smaller file", more, where)
    yield _describe_speed("studies/resnet18", small, where="the smaller file, two threads")


def _points_lost(run: Run) -> float:
    return 100 * float(run["dense"]["accuracy"] - run["compressed"]["accuracy"])


def _describe_speed(folder: str, run: Run, *, where: str) -> Line:
    """Return the line on the speed of a file that the line before names, with 64 images."""
    sparse, int8 = (speed_ratio(run, 64, sparse=sparse) for sparse in (True, False))
    more = f" in the sparse engine and {int8:.1f}x in INT8 engines, beside the dense FP32 network in its fastest engine"
    return Line(folder, f"{sparse:.1f}x as fast", more, where)


def make_study_e() -> str:
    """Return the runs of study E: accuracy, bytes by codec, and milliseconds to load and to run."""
    header = ("pruned, %", "test, %", "lost", "lost against control", "model.cmp, KiB", "COO, KiB", "CSR, KiB")
    header = (*header, "load, ms", "dense", "one image, ms", "dense")

    def cells(run: Run) -> Sequence[str]:
        accuracy, codecs = run["compressed"]["accuracy"], run["codec_bytes"]
        return (
            f"{100 * run['target_sparsity']:.0f}",
            percent(accuracy, 2),
            lost(run["dense"]["accuracy"], accuracy),
            lost(read_control(run), accuracy),
            *(f"{size / 1024:,.0f}" for size in (run["compressed"]["bytes"]["artifact"], codecs["coo"], codecs["csr"])),
            *(f"{1000 * run['load_seconds'][which]:.0f}" for which in ("compressed", "dense")),
            *(f"{fastest(run, which):.2f}" for which in ("compressed", "dense")),
        )

    return to_table(header, map(cells, in_order(read_runs("e"))), text=0)
