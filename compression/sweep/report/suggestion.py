"""Suggestion of the next run after a sweep: the command, and the rule that chose it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from compression.core.sizes import format_size
from compression.sweep.jobs import BROKEN, FAILED, INTERRUPTED, KILLED, WAITING
from compression.sweep.report.expectation import SCALES, expect, measure
from compression.sweep.report.held_command import add_point, is_search, repeat, search_on
from compression.sweep.report.limits import Limits
from compression.sweep.report.points_lost import describe_loss
from compression.sweep.report.records import REPEATS, SEED
from compression.sweep.report.sweep_ranking import Configuration, Ranking

_NAMES = {"score": "accuracy", "drop": "accuracy", "bytes": "file size", "latency": "latency"}
_ORDER = {WAITING: 0, INTERRUPTED: 1, KILLED: 2, BROKEN: 3, FAILED: 4}


@dataclass(frozen=True)
class NextRun:
    """A suggested command, and the rule that chose it."""

    command: str
    rule: str


@dataclass(frozen=True)
class _Candidate:
    """An untried value of one axis, on the line through two runs that differ only in that axis.

    ``between`` says that it lies between the two, otherwise one step beyond ``start``. ``expected`` are the measures
    at the value, as far as they are known, and ``unknown`` says why the others are not.
    """

    key: str
    value: float
    start: Configuration
    other: Configuration
    between: bool
    expected: Mapping[str, float]
    unknown: Mapping[str, str]


def propose(ranking: Ranking, limits: Limits, *, best: Configuration | None, by_bytes: bool) -> NextRun | None:
    """Return the next run; None if no job has its command on record.

    The candidates are untried values between two runs that differ in one number, or one step beyond the last. Their
    measures are expected on the line through the two runs (bytes and latency by ratio). A measure that ``expect`` does
    not know is within no limit and better than no run.

    - With a ``best``, choose the best candidate that is expected within the limits, if it is better than ``best``.
    - Without a ``best``, choose the candidate with the smallest expected excess, if that is below every run's.
    - Without such a candidate, choose a job of the plan without numbers, or else another seed.

    A search chooses values itself, so it is continued instead.
    """
    if is_search(ranking.sweep):
        return _go_on_searching(ranking)
    if not ranking.configurations:
        return _rerun(ranking)
    grid = [one for one in ranking.configurations if not one.is_baseline]
    candidates = [(one, limits.over(one.expected, tolerance=1e-6)) for one in _candidates(ranking, limits, grid)]
    if best is not None:
        inside = [one for one, over in candidates if not over]
        chosen = min(inside, key=lambda one: _merit(one.expected, by_bytes), default=None)
        if chosen is not None and _merit(chosen.expected, by_bytes) < _merit(measure(best), by_bytes):
            return _describe(ranking, chosen, limits, f"expected within the limits and better than {best.label}")
    elif candidates:
        chosen, over = min(candidates, key=lambda one: (max(one[1].values(), default=0.0), one[0].key, one[0].value))
        if max(over.values(), default=0.0) < min(limits.distance(measure(one)) for one in grid):
            return _describe(
                ranking, chosen, limits, "expected nearer to the limits than any run" if over else "expected within"
            )
    why = _describe_unknown([one for one, _ in candidates])
    return _rerun(ranking, why) or _another_seed(ranking, limits, best, grid, why)


def _candidates(ranking: Ranking, limits: Limits, grid: Sequence[Configuration]) -> Iterator[_Candidate]:
    for key in ranking.sweep.axes:
        if key in REPEATS:
            continue
        lines: dict[Any, list[Configuration]] = {}
        for one in grid:
            if _is_number(one.axes.get(key)):
                rest = (one.kind, *(repr(one.axes.get(other)) for other in ranking.sweep.axes if other != key))
                lines.setdefault(rest, []).append(one)
        for line in lines.values():
            line.sort(key=lambda one: float(one.axes[key]))
            pairs = [(a, b) for a, b in pairwise(line) if a.axes[key] < b.axes[key]]
            for low, high in pairs:
                yield from _between(ranking, limits, key, low, high)
            for start, other in [(pairs[0]), (pairs[-1][1], pairs[-1][0])] if pairs else []:
                yield from _beyond(ranking, key, start, other)


def _between(
    ranking: Ranking, limits: Limits, key: str, low: Configuration, high: Configuration
) -> Iterator[_Candidate]:
    """Yield, for each limit, the value between two neighbours at which it is expected to be just met."""
    ends = measure(low), measure(high)
    for name, limit in limits.given().items():
        if any(name not in end for end in ends):
            continue
        inside, outside = (low, high) if ends[0][name] <= limit else (high, low)
        first, last = measure(inside)[name], measure(outside)[name]
        if not first <= limit < last or (SCALES[name] and first <= 0):
            continue
        scale = math.log if SCALES[name] else float
        share = (scale(limit) - scale(first)) / (scale(last) - scale(first))
        here, there = inside.axes[key], outside.axes[key]
        value = _round(here + share * (there - here), inside=here, outside=there)
        if value is not None and _is_allowed(ranking, key, value) and not _is_planned(ranking, inside, key, value):
            yield _make_candidate(ranking, key, value, inside, outside, between=True)


def _beyond(ranking: Ranking, key: str, start: Configuration, other: Configuration) -> Iterator[_Candidate]:
    """Yield the value one step beyond ``start``, away from its neighbour ``other``."""
    here, there = start.axes[key], other.axes[key]
    value = 2 * here - there
    if "sparsity" in key and value > 1 - 1e-9:
        # A sparsity of 1 or more is impossible, so halve the remaining weights instead.
        value = 1 - (1 - here) / 2
    if not (isinstance(here, int) and isinstance(there, int)):
        value = round(value, 6)
    if not _is_allowed(ranking, key, value) or _is_planned(ranking, start, key, value):
        return
    yield _make_candidate(ranking, key, value, start, other, between=False)


def _make_candidate(
    ranking: Ranking, key: str, value: float, start: Configuration, other: Configuration, *, between: bool
) -> _Candidate:
    found = expect(ranking, key, value, start, other, between=between)
    return _Candidate(key, value, start, other, between, found.measures, found.unknown)


def _merit(expected: Mapping[str, float], by_bytes: bool) -> float:
    """Return what is smaller for a better candidate; infinity if it is not known."""
    if by_bytes:
        return expected.get("bytes", math.inf)
    return -expected["score"] if "score" in expected else math.inf


def _describe(ranking: Ranking, chosen: _Candidate, limits: Limits, why: str) -> NextRun:
    names = limits.given()
    texts = [_write(name, chosen.expected.get(name)) for name in names if name in (*chosen.expected, *chosen.unknown)]
    if "drop" not in names:
        texts.insert(0, _write("score", chosen.expected.get("score")))
    place = "between" if chosen.between else "one step beyond"
    runs = f"{chosen.start.label} and {chosen.other.label}" if chosen.between else chosen.start.label
    return NextRun(
        add_point(ranking.sweep, chosen.start.job, {chosen.key: chosen.value}),
        f"{chosen.key}={chosen.value} is {place} {runs}; on the line through {chosen.start.label} and "
        f"{chosen.other.label}, which differ in that alone, it has {', '.join(texts)}: {why}",
    )


def _describe_unknown(candidates: Sequence[_Candidate]) -> str:
    """Return the first sentence of a rule that proposes no untried value, with the reason if there is one."""
    text = "no untried value promises more"
    found = next(((one, why) for one in candidates for why in one.unknown.values()), None)
    if found is None:
        return text
    one, why = found
    return f"{text}; what {one.key}={one.value} gives is not known, because {why}"


def _rerun(ranking: Ranking, why: str = "no untried value promises more") -> NextRun | None:
    """Return the run of the first job of the plan that has no numbers and is not running. Failed jobs come last."""
    jobs = [job for job in ranking.unfinished if job.overrides and job.status in _ORDER]
    if not jobs:
        return None
    job = min(jobs, key=lambda job: (job.is_baseline, _ORDER[job.status]))
    reason = f" ({job.reason})" if job.reason else ""
    return NextRun(repeat(ranking.sweep, job), f"{why}, and {job.name} is {job.status}{reason}")


def _go_on_searching(ranking: Ranking) -> NextRun | None:
    if not ranking.sweep.command:
        return None
    left = next((job for job in ranking.unfinished if job.status in (WAITING, INTERRUPTED)), None)
    if left is not None:
        return NextRun(
            repeat(ranking.sweep, left), f"{left.name} is {left.status}, and a search continues where it was"
        )
    command, more = search_on(ranking.sweep)
    return NextRun(command, f"a search chooses its trials itself, here {more} more")


def _another_seed(
    ranking: Ranking, limits: Limits, best: Configuration | None, grid: Sequence[Configuration], why: str
) -> NextRun | None:
    """Return a run of the best configuration with an unused seed.

    If the best is a baseline, use the best of the grid, because a baseline is not run alone.
    """
    if best is None or best.is_baseline:
        best = min(grid, key=lambda one: (limits.distance(measure(one)), -one.score.mean, one.job.name), default=None)
    if best is None or not best.job.overrides:
        return None
    seed = 1 + max((job.seed for job in ranking.sweep.jobs if isinstance(job.seed, int)), default=0)
    return NextRun(
        add_point(ranking.sweep, best.job, {SEED: seed}),
        f"{why}; another seed of {best.label} shows how far its numbers can be trusted",
    )


def _round(value: float, *, inside: float, outside: float) -> float | None:
    """Return ``value`` with few digits, rounded towards ``inside`` and strictly between ``inside`` and ``outside``.

    Return None if no such number lies between them.
    """
    down = outside > inside
    if isinstance(inside, int) and isinstance(outside, int):
        whole = math.floor(value + 1e-9) if down else math.ceil(value - 1e-9)
        # For whole numbers, also try the next one, even if it is expected to miss the limit.
        options: list[float] = [whole, whole + (1 if down else -1)]
    else:
        options = []
        for digits in (2, 3, 4):
            unit = 10.0 ** (math.floor(math.log10(max(abs(value), 1e-12))) + 1 - digits)
            count = math.floor(value / unit + 1e-9) if down else math.ceil(value / unit - 1e-9)
            options.append(float(f"{count * unit:.{digits}g}"))
    low, high = sorted((inside, outside))
    return next((option for option in options if low < option < high), None)


def _is_allowed(ranking: Ranking, key: str, value: float) -> bool:
    if key.endswith("bits"):
        return 2 <= value <= 8
    # An axis whose values are all within [0, 1] may be a fraction, so do not exceed 1 there.
    highest = max(one for one in ranking.sweep.axes[key] if _is_number(one))
    return value > 0 and (value <= 1 or highest > 1)


def _is_planned(ranking: Ranking, start: Configuration, key: str, value: float) -> bool:
    wanted = {**start.axes, key: value}
    return any(
        job.kind == start.kind and all(job.axes.get(name) == asked for name, asked in wanted.items())
        for job in ranking.sweep.jobs
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _write(name: str, value: float | None) -> str:
    if value is None:
        return f"{_NAMES[name]} not known"
    if name == "score":
        return f"{100 * value:.2f} %"
    if name == "bytes":
        return format_size(round(value))
    return describe_loss(value) if name == "drop" else f"{value:.3g} ms"
