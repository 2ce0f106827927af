"""List of the stages in a store, read from its folders alone."""

import contextlib
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
    """One stage's folder in the store.

    ``kind`` is ``finished``, ``interrupted`` (left by a killed process) or ``removed`` (a removal that was cut off).
    ``used`` is when a run last made or found it, ``made`` is when it was made, both in seconds since 1970. ``record``
    is the content of ``stage.json``; it is None if the stage is not finished or the record is missing or damaged. Then
    ``damage`` gives the reason for a finished stage.
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
        """The name of the stage, which is also the name of its lock."""
        return f"{self.stage}-{self.id}"

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the stages that this one was made from."""
        return tuple(self.record["key"]["parents"]) if self.record else ()


def list_entries(root: Path) -> list[Entry]:
    """Return an entry for every stage's folder in the store ``root``, sorted by name. Other files are skipped."""
    if not root.is_dir():
        return []
    found = [_read(path) for path in sorted(root.iterdir())]
    return [entry for entry in found if entry is not None]


def spread_use(entries: Iterable[Entry]) -> list[Entry]:
    """Return the finished entries, least recently used first. The use of a stage counts as use of its parents.

    Among stages last used at the same time, children come before their parents: losing a child costs the least.
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
    """Return the total size in bytes of all files under ``folder``. A file that vanishes meanwhile counts 0."""
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
        used = path.stat().st_mtime if kind == "finished" else _last_write(path)
        entry = Entry(path, named[1], named[2], kind, tree_bytes(path), used=used, made=used)
        if kind != "finished":
            return entry
        entry = replace(entry, made=(path / RECORD).stat().st_mtime)
        return replace(entry, record=read_record(path))
    except ValueError as error:
        return replace(entry, damage=str(error))
    except FileNotFoundError:
        # Another process removed the stage meanwhile, or its record is missing.
        return replace(entry, damage=f"{RECORD} is missing") if path.exists() else None


def _last_write(folder: Path) -> float:
    """Return the time of the last change in ``folder``: a new checkpoint does not change the folder around it."""
    times = [folder.stat().st_mtime]
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(FileNotFoundError):
                times.append((Path(parent) / name).lstat().st_mtime)
    return max(times)


def _sizes(folder: Path) -> Iterator[int]:
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(parent) / name).lstat().st_size
            except FileNotFoundError:
                continue
