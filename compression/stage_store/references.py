"""Which stages the folders of runs refer to."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from compression.stage_store.entries import Entry
from compression.system.files import write_atomic

# In a run's folder: a line for each stage it asked for, finished or not.
STAGES_FILE = "stages.txt"
METRICS = "metrics.json"


def refer(run_dir: Path, name: str) -> None:
    """Note in the run's folder that it asks for stage ``name``, before the stage is made."""
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / STAGES_FILE
    noted = path.read_text(errors="replace").splitlines() if path.exists() else []
    if name not in noted:
        with path.open("a") as stream:
            stream.write(f"{name}\n")


def refer_only(run_dir: Path, names: Iterable[str]) -> None:
    """Note what a finished run is made of, in place of what earlier runs in the folder asked for."""
    run_dir.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{name}\n" for name in names)
    path = run_dir / STAGES_FILE
    if not path.exists() or path.read_text(errors="replace") != text:
        write_atomic(path, text.encode())


def find_references(folders: Iterable[Path], *, leave_out: Path) -> set[str]:
    """Return the ids that run folders at any depth of ``folders`` name; the store ``leave_out`` is not looked into.

    Raises ValueError naming a ``metrics.json`` or ``stages.txt`` that cannot be read: what it refers to is not known.
    """
    return {stage_id for folder in folders for stage_id in _in_runs(folder, leave_out.resolve())}


def with_needed(entries: Iterable[Entry], roots: set[str]) -> set[str]:
    """Return ``roots``, all that they were made from, and the evaluations of their files with what those need.

    ``metrics.json`` names neither its evaluation nor the dense model's files: an evaluation is kept where everything it
    was made from is kept, or is the files of a model that is.
    """
    by_id = {entry.id: entry for entry in entries if entry.kind == "finished"}
    kept = _ancestors(by_id, roots)
    for entry in by_id.values():
        if entry.stage != "evaluate" or not entry.parents:
            continue
        exports = {p for p in entry.parents if p in by_id and by_id[p].stage == "export"}
        files = {p for p in exports if kept.issuperset(by_id[p].parents)}
        if kept & exports and set(entry.parents) <= kept | files:
            kept = kept | {entry.id} | files
    return kept


def _ancestors(by_id: dict[str, Entry], roots: set[str]) -> set[str]:
    found, open_ids = set(roots), list(roots)
    while open_ids:
        entry = by_id.get(open_ids.pop())
        for parent in entry.parents if entry else ():
            if parent not in found:
                found.add(parent)
                open_ids.append(parent)
    return found


def _in_runs(folder: Path, store: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if (Path(parent) / name).resolve() != store]
        if STAGES_FILE in files:
            yield from _in_list(Path(parent) / STAGES_FILE)
        if METRICS in files:
            yield from _in_metrics(Path(parent) / METRICS)


def _in_list(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text().splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text: what it refers to is not known") from error
    yield from (line.rpartition("-")[2] for line in lines)


def _in_metrics(path: Path) -> Iterator[str]:
    try:
        content = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: what it refers to is not known") from error
    run = content.get("run") if isinstance(content, dict) else None
    stages = run.get("stages") if isinstance(run, dict) else None
    if isinstance(stages, dict):
        yield from (str(stage_id) for stage_id in stages.values())
