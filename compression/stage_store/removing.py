"""Removal of stages from a store, one by one or until a size limit holds. Stages in use stay."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from compression.stage_store.entries import OLD, Entry, list_entries, spread_use
from compression.stage_store.locks import StageLocks

# The lock under which one process at a time makes room. Two at once would remove twice as much as needed.
_ROOM = "room"


def remove(locks: StageLocks, entry: Entry) -> bool:
    """Remove a stage's folder. Return False if a process uses the stage or has already removed it.

    The folder is renamed first. A kill in the middle then leaves a folder that nobody takes for a stage and that the
    next removal clears.
    """
    with locks.taken_if_idle(entry.name) as idle:
        if not idle:
            return False
        old = entry.path.with_name(f"{entry.name}{OLD}")
        if entry.path != old:
            shutil.rmtree(old, ignore_errors=True)
            try:
                entry.path.replace(old)
            except FileNotFoundError:
                # Another process has removed it.
                return False
        shutil.rmtree(old)
        return True


def make_room(
    root: Path, locks: StageLocks, *, max_bytes: int, expect: str | None, when_waiting: Callable[[], None]
) -> tuple[list[Entry], int]:
    """Remove idle stages, least recently used first, until the store holds at most ``max_bytes``.

    ``expect`` names a stage about to be made: room for the largest finished stage of that name stays free. Returns the
    removed entries, and the bytes of the stages that are left.
    """
    with locks.taken(_ROOM, when_waiting=when_waiting):
        entries = list_entries(root)
        total = sum(entry.num_bytes for entry in entries)
        wanted = max_bytes - max(
            (e.num_bytes for e in entries if e.kind == "finished" and e.stage == expect), default=0
        )
        gone = []
        for entry in removable(entries):
            if total <= wanted:
                break
            if remove(locks, entry):
                gone.append(entry)
                total -= entry.num_bytes
        return gone, total


def removable(entries: Iterable[Entry]) -> list[Entry]:
    """Return removable entries in order: leftovers of removals, then finished stages, least recently used first."""
    entries = list(entries)
    return [entry for entry in entries if entry.kind == "removed"] + spread_use(entries)
