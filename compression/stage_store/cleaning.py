"""Plan and removal for ``store gc``: which stages go and why. Stages in use always stay."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from compression.stage_store.entries import Entry, list_entries, spread_use
from compression.stage_store.locks import StageLocks
from compression.stage_store.references import with_needed
from compression.stage_store.removing import remove

_DAY = 24 * 3600


@dataclass(frozen=True)
class Removal:
    """An entry to remove, and the reason.

    With ``in_use`` a process makes or reads it, so it stays. None means not known, in a store that cannot be written.
    """

    entry: Entry
    reason: str
    in_use: bool | None = False


@dataclass(frozen=True)
class Rules:
    """Settings of ``plan_cleaning``: which stages may go, and how many bytes all of them may keep."""

    keep_days: float = 0.0
    max_bytes: int | None = None
    also_of_runs: bool = False
    interrupted: bool = False


def plan_cleaning(root: Path, *, references: Collection[str], rules: Rules, now: float) -> list[Removal]:
    """Return the removals that ``rules`` require in the store ``root``, in order. Nothing is removed yet.

    ``references`` are the stage ids that runs name; ``now`` is in seconds since 1970.

    - Leftovers of an interrupted removal always go.
    - Interrupted work goes if no run names it; with ``interrupted``, all of it goes.
    - Finished stages that no run needs go, least recently used first. With ``max_bytes``, only as many go as it takes
      to bring the store down to that size.
    - With ``also_of_runs``, stages that runs need follow, least recently used first.

    Stages and interrupted work that were used in the last ``keep_days`` days stay.
    """
    entries, locks = list_entries(root), StageLocks(root)
    kept = with_needed(entries, set(references))
    found = [Removal(entry, "leftover of a removal") for entry in entries if entry.kind == "removed"]
    for entry in entries:
        if entry.kind == "interrupted" and (rules.interrupted or entry.id not in references):
            reason = "interrupted" if entry.id in references else "interrupted, no run needs it"
            if _is_old(entry, rules, now):
                found.append(Removal(entry, reason))
    found = [replace(one, in_use=locks.is_in_use(one.entry.name)) for one in found]
    total = sum(entry.num_bytes for entry in entries) - sum(one.entry.num_bytes for one in found if not one.in_use)
    by_use = [entry for entry in spread_use(entries) if _is_old(entry, rules, now)]
    candidates = [Removal(entry, "no run needs it") for entry in by_use if entry.id not in kept]
    if rules.also_of_runs:
        candidates += [Removal(entry, "least recently used") for entry in by_use if entry.id in kept]
    for one in candidates:
        if rules.max_bytes is not None and total <= rules.max_bytes:
            break
        one = replace(one, in_use=locks.is_in_use(one.entry.name))
        found.append(one)
        total -= 0 if one.in_use else one.entry.num_bytes
    return found


def clean(root: Path, removals: Collection[Removal]) -> list[Removal]:
    """Remove the planned entries. Return them all, with ``in_use`` set for those that had to stay."""
    locks = StageLocks(root)
    return [replace(one, in_use=one.in_use or not remove(locks, one.entry)) for one in removals]


def _is_old(entry: Entry, rules: Rules, now: float) -> bool:
    return now - entry.used >= rules.keep_days * _DAY
