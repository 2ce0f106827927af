"""What an untried value may be expected to give, on the line through two runs, and when that is not known."""

import math
from dataclasses import dataclass
from typing import Any

from compression.sweep.report.seeds import are_tied
from compression.sweep.report.sweep_ranking import Configuration, Ranking

# How a measure follows an axis: linearly (False) or by ratio (True).
SCALES = {"score": False, "drop": False, "bytes": True, "latency": True}
_SCORES = ("score", "drop")
_QUANTILE = 1.96


@dataclass(frozen=True)
class Expectation:
    """Expected ``measures``, as far as they are known, and the reason for each one that is not, by its name."""

    measures: dict[str, float]
    unknown: dict[str, str]


def measure(one: Configuration) -> dict[str, float]:
    """Return the measures of a configuration: score, drop (points), bytes, and latency (milliseconds) if known."""
    found = {"score": one.score.mean, "drop": one.drop, "bytes": float(one.measured.bytes)}
    # A clock may have measured 0, from which no ratio follows.
    return {**found, "latency": one.milliseconds} if one.milliseconds else found


def expect(
    ranking: Ranking, key: str, value: float, start: Configuration, other: Configuration, *, between: bool
) -> Expectation:
    """Return what ``value`` of the axis ``key`` may give, on the line through two runs that differ only in that axis.

    ``between`` says that it lies between them; otherwise it lies beyond ``start``. A measure is not known where the
    line would lead beyond two runs that differ by no more than their noise, to a value that is impossible, or to a
    better value for stronger compression. Latencies whose spreads overlap are expected to stay at the larger one.
    """
    share = (value - start.axes[key]) / (other.axes[key] - start.axes[key])
    first, last = measure(start), measure(other)
    line = {
        name: first[name] * (last[name] / first[name]) ** share
        if SCALES[name]
        else first[name] + share * (last[name] - first[name])
        for name in first
        if name in last
    }
    if not between and "latency" in line and _is_same_latency(start, other):
        line["latency"] = max(first["latency"], last["latency"])
    unknown: dict[str, str] = {}
    names = f"{start.label} and {other.label}"
    compression = _find_direction(key, start.axes[key], value)
    for name, expected in line.items():
        gain = expected - first[name] if name == "score" else first[name] - expected
        if not between and name in _SCORES and _is_noise(ranking, start, other):
            unknown[name] = f"{names} differ by no more than noise"
        elif compression * gain > 0 and name in _SCORES:
            unknown[name] = f"of {names}, the one that is compressed more is the more accurate"
        elif compression * gain < 0 and name == "bytes":
            unknown[name] = f"of {names}, the one that is compressed more is the larger"
        elif not _is_possible(name, expected, first[name], last[name]):
            unknown[name] = f"the line through {names} leads to an impossible value"
    # A loss is a score against the dense model, so both are known or none is.
    why = next((unknown[name] for name in _SCORES if name in unknown), None)
    if why is not None:
        unknown |= dict.fromkeys(_SCORES, why)
    return Expectation({name: one for name, one in line.items() if name not in unknown}, unknown)


def _find_direction(key: str, start: Any, value: Any) -> int:
    """Return 1 if ``value`` compresses more than ``start``, -1 if less, and 0 if that is not known."""
    if value == start:
        return 0
    more = 1 if value > start else -1
    if key.endswith("bits"):
        return -more
    return more if key.rpartition(".")[2] == "sparsity" else 0


def _is_same_latency(*runs: Configuration) -> bool:
    """Return whether the spreads over rounds overlap."""
    spreads = [run.latency for run in runs if run.latency is not None]
    return max(one.p10 for one in spreads) <= min(one.p90 for one in spreads)


def _is_noise(ranking: Ranking, one: Configuration, other: Configuration) -> bool:
    """Return whether two runs differ in their score by no more than it varies from seed to seed."""
    several = one.score.deviation is not None and other.score.deviation is not None
    if several or ranking.noise is not None:
        return are_tied(one.score, other.score, noise=ranking.noise)
    # The noise between seeds is not known. It is at least that of a share of so many images.
    variances = [
        share * (1 - share) / run.test_images
        for share, run in ((one.score.mean, one.measured), (other.score.mean, other.measured))
        if run.test_images
    ]
    return abs(one.score.mean - other.score.mean) <= _QUANTILE * math.sqrt(sum(variances))


def _is_possible(name: str, expected: float, *ends: float) -> bool:
    if name == "score":
        return 0 <= expected <= 1
    # No line promises to beat the dense model by more than a run has done.
    return name != "drop" or min(0.0, *ends) - 1e-9 <= expected <= 100
