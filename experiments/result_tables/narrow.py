"""The table of the narrower dense network."""

from collections.abc import Sequence

from result_tables.runs import Run, fastest, read_runs
from result_tables.table import lost, percent, to_table

# Bits of a float32 weight.
FULL = 32


def make_narrow() -> str:
    """Return a narrower dense network in 8 bits, beside the pruned networks with the next larger and smaller files."""
    [narrow] = read_runs("narrow")
    # A run may be in both records.
    pruned = {run["run"]: run for run in [*read_runs("b"), *read_runs("small")] if _has_integers(run)}
    by_size = sorted(pruned.values(), key=_bytes)
    place = sum(_bytes(run) < _bytes(narrow) for run in by_size)
    near = by_size[max(0, place - 2) : place + 1]
    # The network of full width that was trained as the narrow one.
    [wide] = [run for run in read_runs("dense") if run["epochs"] == narrow["epochs"]]
    header: Sequence[str] = ("network", "weight bits", "activation bits", "dense, %", "test, %", "lost", "file, KiB")
    header = (*header, "smaller", "million MACs", "one image, ms", "64")

    def cells(run: Run) -> Sequence[str]:
        accuracy = run["compressed"]["accuracy"]
        dense = (wide if run is narrow else run)["dense"]
        return (
            f"dense, width {run['width']:g}" if run is narrow else f"{100 * run['target_sparsity']:.0f} % pruned",
            *(str(run[bits]) for bits in ("weight_bits", "activation_bits")),
            percent(dense["accuracy"]),
            percent(accuracy, 2),
            lost(dense["accuracy"], accuracy),
            f"{_bytes(run) / 1024:.0f}",
            f"{dense['bytes']['safetensors'] / _bytes(run):.1f}x",
            f"{run['compressed']['nonzero_macs'] / 1e6:.1f}",
            *(f"{fastest(run, 'compressed', batch_size=batch_size):.2f}" for batch_size in (1, 64)),
        )

    return to_table(header, map(cells, sorted([narrow, *near], key=_bytes, reverse=True)))


def _has_integers(run: Run) -> bool:
    # Weights and activations of as many bits, as in the narrow network.
    return bool(run["weight_bits"] == run["activation_bits"] < FULL)


def _bytes(run: Run) -> int:
    return int(run["compressed"]["bytes"]["artifact"])
