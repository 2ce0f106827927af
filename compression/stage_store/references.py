"""References from run folders to stages, which decide what cleaning keeps."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from compression.core.file_names import METRICS
from compression.stage_store.entries import Entry
from compression.system.files import write_atomic

# In a run's folder: one line for each stage that the run requested, finished or not.
STAGES_FILE = "stages.txt"


def refer(run_dir: Path, name: str) -> None:
    """Add stage ``name`` to the list in the run's folder. The store calls this before it makes the stage."""
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / STAGES_FILE
    noted = path.read_text(errors="replace").splitlines() if path.exists() else []
    if name not in noted:
        with path.open("a") as stream:
            stream.write(f"{name}\n")


def refer_only(run_dir: Path, names: Iterable[str]) -> None:
    """Replace the list in the run's folder by ``names``, so that it drops the stages of earlier runs in the folder."""
    run_dir.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{name}\n" for name in names)
    path = run_dir / STAGES_FILE
    if not path.exists() or path.read_text(errors="replace") != text:
        write_atomic(path, text.encode())


def find_references(folders: Iterable[Path], *, leave_out: Path) -> set[str]:
    """Return the stage ids that run folders name, at any depth of ``folders``. The store ``leave_out`` is skipped.

    Raises ValueError if a ``metrics.json`` or ``stages.txt`` cannot be read, because its stages are then unknown.
    """
    return {stage_id for folder in folders for stage_id in _in_runs(folder, leave_out.resolve())}


def with_needed(entries: Iterable[Entry], roots: set[str]) -> set[str]:
    """Return the ids in ``roots``, their ancestors, the evaluations of their exported files, and the analyses of these.

    ``metrics.json`` names neither its evaluation nor the files of the dense model. So an evaluation is kept if each of
    its parents is kept or is an export of a kept model, and at least one of its exports is kept. The exports that it
    needs are kept with it.
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
    analyses = {one.id for one in by_id.values() if one.stage == "analyze" and one.parents}
    return kept | {one for one in analyses if kept.issuperset(by_id[one].parents)}


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
    # Links too, because a run may have moved to another disk. A link to a folder above would not end.
    seen = {store, folder.resolve()}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_refuse_unread):
        real = {name: Path(parent, name).resolve() for name in folders}
        folders[:] = [name for name in folders if real[name] not in seen]
        seen.update(real[name] for name in folders)
        if STAGES_FILE in files:
            yield from _in_list(Path(parent) / STAGES_FILE)
        if METRICS in files:
            yield from _in_metrics(Path(parent) / METRICS)


def _refuse_unread(error: OSError) -> None:
    # A folder that was removed in the meantime needs nothing.
    if not isinstance(error, FileNotFoundError):
        raise _unread(error) from error


def _unread(error: OSError) -> ValueError:
    return ValueError(f"{error.filename} cannot be read ({error.strerror}): its references are unknown")


def _in_list(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise _unread(error) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text: its references are unknown") from error
    yield from (line.rpartition("-")[2] for line in lines)


def _in_metrics(path: Path) -> Iterator[str]:
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise _unread(error) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: its references are unknown") from error
    run = content.get("run") if isinstance(content, dict) else None
    stages = run.get("stages") if isinstance(run, dict) else None
    if isinstance(stages, dict):
        yield from (str(stage_id) for stage_id in stages.values())
