"""What a cleaning of the store would remove, and why; then it is removed, but for what somebody uses."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from compression.stage_store.entries import Entry, list_entries, spread_use
from compression.stage_store.locks import StageLocks
from compression.stage_store.references import with_needed
from compression.stage_store.removing import is_idle, remove

_DAY = 24 * 3600


@dataclass(frozen=True)
class Removal:
    """An entry that goes, and why; ``in_use``: somebody makes or reads it, so it stays."""

    entry: Entry
    reason: str
    in_use: bool = False


@dataclass(frozen=True)
class Rules:
    """What may go: see ``plan_cleaning``."""

    keep_days: float = 0.0
    max_bytes: int | None = None
    also_of_runs: bool = False
    interrupted: bool = False


def plan_cleaning(root: Path, *, references: Collection[str], rules: Rules, now: float) -> list[Removal]:
    """Return what goes from the store ``root``, in order; ``references`` are the ids that runs name.

    Without ``max_bytes``: every stage that no run needs and that was not used for ``keep_days``. With it: such stages,
    least recently used first, only until all take that much; with ``also_of_runs`` then those of runs as well.
    Interrupted work goes where no run refers to it, with ``interrupted`` all of it; what is left of a removal always.
    """
    entries, locks = list_entries(root), StageLocks(root)
    kept = with_needed(entries, set(references))
    found = [Removal(entry, "left of a removal") for entry in entries if entry.kind == "removed"]
    for entry in entries:
        if entry.kind == "interrupted" and (rules.interrupted or entry.id not in references):
            reason = "interrupted" if entry.id in references else "interrupted, of no run"
            if _is_old(entry, rules, now):
                found.append(Removal(entry, reason))
    found = [replace(one, in_use=not is_idle(locks, one.entry)) for one in found]
    total = sum(entry.num_bytes for entry in entries) - sum(one.entry.num_bytes for one in found if not one.in_use)
    by_use = [entry for entry in spread_use(entries) if _is_old(entry, rules, now)]
    candidates = [Removal(entry, "of no run") for entry in by_use if entry.id not in kept]
    if rules.also_of_runs:
        candidates += [Removal(entry, "least recently used") for entry in by_use if entry.id in kept]
    for one in candidates:
        if rules.max_bytes is not None and total <= rules.max_bytes:
            break
        one = replace(one, in_use=not is_idle(locks, one.entry))
        found.append(one)
        total -= 0 if one.in_use else one.entry.num_bytes
    return found


def clean(root: Path, removals: Collection[Removal]) -> list[Removal]:
    """Remove what was planned; return it with what turned out to be in use marked so."""
    locks = StageLocks(root)
    return [replace(one, in_use=one.in_use or not remove(locks, one.entry)) for one in removals]


def _is_old(entry: Entry, rules: Rules, now: float) -> bool:
    return now - entry.used >= rules.keep_days * _DAY
