"""The actual arithmetic of a sweep's jobs beside the bits that were asked for, and their machines."""

from collections import Counter
from collections.abc import Sequence

from compression.core.errors import printable
from compression.quantization.grid import FULL_PRECISION
from compression.reporting.metrics_reader import Measured
from compression.sweep.report.records import JobRecord

_HOW = {"executed in integers": "executed", "computed in float32": "in float32"}
_MOST_NAMES = 4
# The arithmetic of a file whose record does not say how its bits run.
UNKNOWN = "-"


def describe_actual(run: Measured) -> str:
    """Return e.g. ``W7A8 executed``, ``W4A8 simulated`` or ``float32``; ``-`` if it is not on record."""
    if run.arithmetic:
        name, _, how = run.arithmetic.partition(", ")
        how = how.split(",")[0]
        return f"{name} {_HOW.get(how, how)}".strip()
    bits = {run.weight_bits, run.activation_bits}
    return "float32" if bits == {FULL_PRECISION} else UNKNOWN


def describe_bits(run: Measured) -> str:
    """Return ``describe_actual``, and what was asked for where that differs, e.g. ``(asked for W8A8)``."""
    actual = describe_actual(run)
    asked = f"W{run.weight_bits}A{run.activation_bits}"
    differs = run.arithmetic is not None and None not in (run.weight_bits, run.activation_bits)
    return f"{actual} (asked for {asked})" if differs and actual.split()[0] != asked else actual


def add_bits(run: Measured) -> str:
    """Return ``describe_bits`` as a part of a list, e.g. ``", W8A8 executed"``; empty if it is not on record."""
    found = describe_bits(run)
    return "" if found == UNKNOWN else f", {found}"


def differs_from_asked(run: Measured) -> bool:
    """Return whether the file has other bits than those that were asked for."""
    return describe_bits(run) != describe_actual(run)


def describe_machines(jobs: Sequence[JobRecord]) -> list[str]:
    """Return sentences on weights of fewer bits than asked for, and on several processors; none where all agree."""
    runs = [(job, job.measured) for job in jobs if job.measured is not None]
    lines = []
    reduced = [job.name for job, run in runs if run.reduced_range]
    kept = [job.name for job, run in runs if run.reduced_range is False and 8 in (run.actual_weight_bits or ())]
    if reduced:
        line = (
            f"weights of 8 bits were rounded to 7 in {_count(reduced)}, because the processor lacks VNNI and sums of "
            "their products could saturate"
        )
        lines.append(f"{line}; {_count(kept)} kept 8 bits" if kept else line)
    processors = Counter(printable(run.processor) for _, run in runs if run.processor)
    if len(processors) > 1:
        found = ", ".join(f"{name} ({num:,} {'jobs' if num > 1 else 'job'})" for name, num in processors.most_common())
        lines.append(f"jobs were measured on {len(processors)} processors, whose latencies do not compare: {found}")
    return lines


def _count(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return f"{len(names):,} {'jobs' if len(names) > 1 else 'job'} ({shown})"
