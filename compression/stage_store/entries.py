"""What lies in a store, read from its folders alone."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compression.stage_store.manifest import RECORD, read_record

PARTIAL, OLD = ".partial", ".old"
_NAME = re.compile(r"([a-z]+)-([0-9a-f]{16})(\.partial|\.old)?")


@dataclass(frozen=True)
class Entry:
    """One stage's folder: finished, ``interrupted`` (what a killed process had), or ``removed`` but not all gone.

    ``used``: when it was last made or found, in seconds since 1970; ``made``: when it was made. ``record`` is
    None where there is none, or a damaged one: ``damage`` says so.
    """

    path: Path
    stage: str
    id: str
    kind: str
    num_bytes: int
    used: float
    made: float
    record: Mapping[str, Any] | None = None
    damage: str | None = None

    @property
    def name(self) -> str:
        """What its lock is called."""
        return f"{self.stage}-{self.id}"

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the stages that it was made from."""
        return tuple(self.record["key"]["parents"]) if self.record else ()


def list_entries(root: Path) -> list[Entry]:
    """Return every stage's folder in the store ``root``, by name."""
    if not root.is_dir():
        return []
    found = [_read(path) for path in sorted(root.iterdir())]
    return [entry for entry in found if entry is not None]


def spread_use(entries: Iterable[Entry]) -> list[Entry]:
    """Return finished entries, least recently used first; who uses a stage uses what it was made from as well.

    Of stages used at one time those come first that nothing was made from: to lose them costs the least.
    """
    by_id = {entry.id: entry for entry in entries if entry.kind == "finished"}
    order = _children_first(by_id)
    for entry_id in order:
        for parent in by_id[entry_id].parents:
            if parent in by_id:
                used = max(by_id[parent].used, by_id[entry_id].used)
                by_id[parent] = replace(by_id[parent], used=used)
    return sorted((by_id[entry_id] for entry_id in order), key=lambda entry: entry.used)


def tree_bytes(folder: Path) -> int:
    """Return the bytes of all files under ``folder``; what vanishes meanwhile counts nothing."""
    return sum(size for size in _sizes(folder))


def _children_first(by_id: Mapping[str, Entry]) -> list[str]:
    order: dict[str, None] = {}

    def visit(entry_id: str) -> None:
        if entry_id in by_id and entry_id not in order:
            for parent in by_id[entry_id].parents:
                visit(parent)
            order[entry_id] = None

    for entry_id in by_id:
        visit(entry_id)
    return list(reversed(order))


def _read(path: Path) -> Entry | None:
    named = _NAME.fullmatch(path.name)
    if named is None:
        return None
    kind = {None: "finished", PARTIAL: "interrupted", OLD: "removed"}[named[3]]
    try:
        used = path.stat().st_mtime
        entry = Entry(path, named[1], named[2], kind, tree_bytes(path), used=used, made=used)
        if kind != "finished":
            return entry
        entry = replace(entry, made=(path / RECORD).stat().st_mtime)
        return replace(entry, record=read_record(path))
    except ValueError as error:
        return replace(entry, damage=str(error))
    except FileNotFoundError:
        # Removed while we look, or without its record.
        return replace(entry, damage=f"{RECORD} is missing") if path.exists() else None


def _sizes(folder: Path) -> Iterator[int]:
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(parent) / name).lstat().st_size
            except FileNotFoundError:
                continue
