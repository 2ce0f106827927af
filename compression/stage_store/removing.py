"""A stage taken out of a store, or several until it fits; never one that anybody uses."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from compression.stage_store.entries import OLD, Entry, list_entries, spread_use
from compression.stage_store.locks import StageLocks

# One process makes room at a time, or two would both remove what one needs.
_ROOM = "room"


def remove(locks: StageLocks, entry: Entry) -> bool:
    """Remove a stage's folder unless anybody makes or reads it; return whether it is gone.

    It is renamed first: a kill in the middle leaves a folder that no one takes for a stage, for the next to clear.
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
                # Another has removed it.
                return False
        shutil.rmtree(old)
        return True


def is_idle(locks: StageLocks, entry: Entry) -> bool:
    """Return whether nobody makes or reads the stage now."""
    with locks.taken_if_idle(entry.name) as idle:
        return idle


def make_room(
    root: Path, locks: StageLocks, *, max_bytes: int, expect: str | None, when_waiting: Callable[[], None]
) -> tuple[list[Entry], int]:
    """Remove stages that nobody uses, least recently used first, until all take ``max_bytes`` or fewer.

    ``expect`` is a stage about to be made: as much as the largest of its kind is left free for it. Returns what was
    removed, and the bytes of stages then there.
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
    """Return entries in the order in which they may go: half removed ones, then finished by their last use."""
    entries = list(entries)
    return [entry for entry in entries if entry.kind == "removed"] + spread_use(entries)
