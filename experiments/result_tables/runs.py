"""The runs of a study's record, and single figures of them."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.analysis.intervals import paired_difference_interval
from result_tables.table import HERE, lost, read

Run = Mapping[str, Any]
NOT_RUN = "not run"


def read_runs(letter: str) -> list[Run]:
    """Return the runs in the record of a study; none if it has no record."""
    path = f"studies/{letter}/results.json"
    return list(read(path)) if (HERE / path).exists() else []


def find_control(run: Run) -> Run | None:
    """Return the run that trained the dense network of ``run`` for as long; None if there was none.

    A run that trained its own dense network has the control of the same architecture. Of several that were trained from
    the same weights, this is the one whose number of epochs is nearest.
    """
    trained_on = [row for letter in ("control", "dense") for row in read_runs(letter) if row["weights"]]
    controls = [row for row in trained_on if _architecture(row) == _architecture(run)]
    controls = [row for row in controls if run["weights"] in (None, row["weights"])]
    if not controls:
        return None
    epochs = sum_epochs(run)
    return min(controls, key=lambda row: abs(row["epochs"]["dense"] - epochs))


def _architecture(run: Run) -> tuple[str, str, float]:
    # The first records have no width.
    return run["model"], run["stem"], run.get("width") or 1.0


def lost_against_control(run: Run) -> str:
    """Return the points that ``run`` lost against the dense network that was trained as long."""
    control = find_control(run)
    return NOT_RUN if control is None else lost(control["dense"]["accuracy"], run["compressed"]["accuracy"])


def find_reference(run: Run) -> Run:
    """Return the run whose dense network a run is compared with: itself, or its control.

    It is the more accurate one, because a longer training alone also makes a dense network better.
    """
    return max((run, find_control(run) or run), key=lambda row: float(row["dense"]["accuracy"]))


def points_lost(run: Run) -> float:
    """Return the points of test accuracy that a run lost against its reference."""
    return 100 * float(find_reference(run)["dense"]["accuracy"] - run["compressed"]["accuracy"])


def lost_interval(run: Run, reference: Run) -> str:
    """Return the 95 % interval of the points that ``run`` lost against the dense network of ``reference``.

    Both are compared image by image. It is ``-`` if one of the two was recorded without its images.
    """
    if not ("right" in run and "right" in reference):
        return "-"
    before, after = _read_bits(reference["right"]["dense"]), _read_bits(run["right"]["compressed"])
    worsened, improved = int((before & ~after).sum()), int((~before & after).sum())
    found = paired_difference_interval(worsened=worsened, improved=improved, images=run["compressed"]["test_images"])
    return f"{-100 * found.high:.2f} to {-100 * found.low:.2f}"


def _read_bits(text: str) -> NDArray[np.bool_]:
    # Bits that fill the last byte are 0 in both, so they count as no change.
    return np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8)).astype(bool)


def find_run(letter: str, known: Mapping[str, Any]) -> Run | None:
    """Return the run at the settings of a known row, or None. Where several runs have them, the row names its own."""
    for run in read_runs(letter):
        found = (run["strategy"], run["target_sparsity"], run["weight_bits"], run["activation_bits"])
        wanted = (known["strategy"], known["sparsity"], known["bits"], known["bits"])
        if found == wanted and run["run"] == known.get("run", run["run"]):
            return run
    return None


def smaller(run: Run) -> float:
    """Return how many times the file is smaller than the dense float32 safetensors file."""
    return float(run["dense"]["bytes"]["safetensors"] / run["compressed"]["bytes"]["artifact"])


def settings(run: Run) -> Sequence[str]:
    """Return cells: percent pruned, bits of weights and of activations, epochs after dense training."""
    bits = (str(run["weight_bits"]), str(run["activation_bits"]))
    return (f"{100 * run['target_sparsity']:.0f}", *bits, count_epochs(run))


def count_epochs(run: Run) -> str:
    """Return the epochs after dense training, as text."""
    return str(sum_epochs(run))


def sum_epochs(run: Run) -> int:
    """Return the epochs after dense training."""
    return sum(number for stage, number in run["epochs"].items() if stage != "dense")


def price(run: Run) -> str:
    """Return the price of a stored bit, which stands in the command of a run; "0" without one."""
    words = [word for word in run["command"] if word.startswith("quantization.rdoq_lambda=")]
    return words[0].partition("=")[2] if words else "0"


def speed_ratio(run: Run, batch_size: int, *, sparse: bool) -> float:
    """Return the speed of the file in the sparse engine, or in the best other one, over the fastest dense engine.

    Raises ``ValueError`` if no such engine was timed.
    """
    rows = [row for row in run["latency"] if row["batch_size"] == batch_size and (row["engine"] == "sparse") == sparse]
    return float(max(row["speedup_over_best_dense"]["median"] for row in rows))


def speed_cells(run: Run) -> Iterable[str]:
    """Yield the speed of a file over the fastest dense engine: sparse engine, then the others, batches of 1 and 64."""
    for sparse in (True, False):
        for batch_size in (1, 64):
            yield f"{speed_ratio(run, batch_size, sparse=sparse):.1f}x"


def fastest(run: Run, which: str, *, batch_size: int = 1) -> float:
    """Return the milliseconds of a batch in the fastest engine; ``which`` is ``dense`` or ``compressed``."""
    return float(min(row[which]["latency_ms"]["median"] for row in run["latency"] if row["batch_size"] == batch_size))


def name_fastest(run: Run, which: str) -> str:
    """Return the milliseconds of one image in the fastest engine, with the engine's name."""
    rows = [row for row in run["latency"] if row["batch_size"] == 1]
    found = min(rows, key=lambda row: float(row[which]["latency_ms"]["median"]))
    return f"{found[which]['latency_ms']['median']:.2f} {found['engine']}"


def in_order(runs: Sequence[Run]) -> list[Run]:
    """Return runs by sparsity, those with more bits first."""
    return sorted(runs, key=lambda run: (run["target_sparsity"], -run["weight_bits"], -run["activation_bits"]))
