"""What a sweep would do: which stages it makes, which are there, how long that may take and how much it leaves."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from compression.config.schema import STAGES, Config
from compression.store import StageRecord

# Stages that are measured on the way, where a strategy or a budget asks for it.
_ORDER = (*STAGES[:2], "sensitivity", *STAGES[2:5], "bits", *STAGES[5:])
# Past stages that are nearest to a planned one are its estimate.
_NEAREST = 5


@dataclass(frozen=True)
class StagePlan:
    """All stages of one kind in a sweep. ``seconds`` and ``num_bytes`` are of what is to be made; None: not known."""

    stage: str
    to_make: int
    found: int
    seconds: float | None
    num_bytes: int | None


def describe_run(config: Config) -> str:
    """Return the plan of a single run as text; raises InputError for what is wrong with it."""
    from compression.pipeline import plan_stages

    output = Path(config.output_dir)
    stages = plan_stages(config, run_dir=output / (config.name or "run"))
    return format_plan(plan_sweep([stages], store=output / "store"), num_jobs=1, workers=1)


def plan_sweep(jobs: Iterable[Mapping[str, StageRecord]], *, store: Path) -> list[StagePlan]:
    """Return a row for each kind of stage; what several ``jobs`` share counts once."""
    unique = {record.id: record for job in jobs for record in job.values()}
    past = _read_past(store)
    kinds = sorted({record.key.stage for record in unique.values()}, key=_rank)
    rows = []
    for kind in kinds:
        records = [record for record in unique.values() if record.key.stage == kind]
        planned = [record for record in records if record.planned]
        estimates = [_estimate(record, past.get(kind, [])) for record in planned]
        known = [estimate for estimate in estimates if estimate is not None]
        complete = len(known) == len(planned)
        rows.append(
            StagePlan(
                kind,
                to_make=len(planned),
                found=len(records) - len(planned),
                seconds=sum(seconds for seconds, _ in known) if complete else None,
                num_bytes=sum(size for _, size in known) if complete else None,
            )
        )
    return rows


def format_plan(rows: Sequence[StagePlan], *, num_jobs: int, workers: int) -> str:
    """Return the plan as text."""
    head = f"{'stage':<12} {'to make':>8} {'on disk':>8} {'about':>10} {'leaves':>10}"
    lines = [
        f"{row.stage:<12} {row.to_make:>8} {row.found:>8} {_time(row.seconds):>10} {_size(row.num_bytes):>10}"
        for row in rows
    ]
    to_make, found = sum(row.to_make for row in rows), sum(row.found for row in rows)
    known = [row for row in rows if row.seconds is not None and row.num_bytes is not None]
    seconds = sum(row.seconds or 0.0 for row in known) if known else None
    size = sum(row.num_bytes or 0 for row in known) if known else None
    total = f"{'all':<12} {to_make:>8} {found:>8} {_time(seconds):>10} {_size(size):>10}"
    text = "\n".join([f"{num_jobs} job{'s' if num_jobs > 1 else ''}", "", head, *lines, total])
    unknown = [row.stage for row in rows if row.seconds is None]
    if seconds is None:
        return f"{text}\n\nTimes and bytes are not known: no stage like these was made here yet."
    notes = ["Times and bytes are those of the most similar stages on disk, one after the other."]
    if workers > 1:
        notes.append(f"With {workers} workers it takes less: at best {_time(seconds / workers)}.")
    if unknown:
        notes.append(f"No stage like these was made here yet, so they are not in the sum: {', '.join(unknown)}.")
    return f"{text}\n\n" + "\n".join(notes)


def _rank(stage: str) -> tuple[int, str]:
    return (_ORDER.index(stage) if stage in _ORDER else len(_ORDER), stage)


@dataclass(frozen=True)
class _Past:
    inputs: frozenset[tuple[str, str]]
    seconds: float
    folder: Path


def _read_past(store: Path) -> dict[str, list[_Past]]:
    """Return the finished stages of a store, by kind."""
    found: dict[str, list[_Past]] = {}
    for path in store.glob("*/stage.json"):
        try:
            record = json.loads(path.read_text())
            past = _Past(frozenset(_flatten(record["key"]["inputs"])), float(record["seconds"]), path.parent)
            found.setdefault(record["key"]["stage"], []).append(past)
        except (OSError, KeyError, TypeError, ValueError):
            # What cannot be read estimates nothing; `store verify` tells of it.
            continue
    return found


def _estimate(planned: StageRecord, past: Sequence[_Past]) -> tuple[float, int] | None:
    """Return seconds and bytes: medians of the stages that share most inputs with ``planned``."""
    if not past:
        return None
    wanted = frozenset(_flatten(planned.key.inputs))
    ranked = sorted(past, key=lambda one: len(one.inputs & wanted), reverse=True)
    most = len(ranked[0].inputs & wanted)
    nearest = [one for one in ranked if len(one.inputs & wanted) == most][:_NEAREST]
    return median(one.seconds for one in nearest), int(median(_folder_bytes(one.folder) for one in nearest))


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}/{key}")
    else:
        yield name, json.dumps(value, sort_keys=True, default=str)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(num_bytes: int | None) -> str:
    return "?" if num_bytes is None else f"{num_bytes / 2**20:.1f} MiB"
