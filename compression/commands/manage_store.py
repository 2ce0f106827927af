"""The command ``store``: list the finished stages, remove unneeded ones, verify their files."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compression.commands.text_table import format_table
from compression.config.schema import STAGES
from compression.core.errors import InputError
from compression.core.sizes import format_size
from compression.stage_store.cleaning import Rules, clean, plan_cleaning
from compression.stage_store.description import describe_stages
from compression.stage_store.entries import Entry, list_entries, tree_bytes
from compression.stage_store.locks import LOCKS, StageLocks
from compression.stage_store.manifest import find_damage, has_checksums
from compression.stage_store.references import find_references, with_needed
from compression.stage_store.removing import remove

_COLUMNS = ("stage", "id", "made from", "size", "took", "made", "last used", "")


def find_store(output_dir: Path) -> Path:
    """Return the path of the store in an output folder. Raises InputError if there is no store."""
    root = output_dir / "store"
    if not root.is_dir():
        raise InputError(f"--output-dir {output_dir}: no store in it; allowed: a folder that train.py wrote into")
    return root


def list_stages(root: Path, *, runs: Sequence[Path]) -> dict[str, Any]:
    """Return all stages of the store ``root`` and totals, as plain JSON values: sizes in bytes, durations in seconds.

    ``runs`` are further folders with runs that use the store. A stage's ``made_from`` describes its inputs, and
    ``of_a_run`` says whether a run needs it. ``in_use`` is None if that is not known. Raises InputError.
    """
    entries = sorted(list_entries(root), key=lambda one: (_rank(one.stage), one.stage, one.made, one.id))
    words, locks = describe_stages(entries), StageLocks(root)
    needed = with_needed(entries, _references(root, runs))
    stages = [
        {
            "stage": entry.stage,
            "id": entry.id,
            "state": "damaged" if entry.damage else entry.kind,
            "made_from": words.get(entry.id, {}) if entry.kind == "finished" else {},
            "parents": list(entry.parents),
            "bytes": entry.num_bytes,
            "seconds": entry.record["seconds"] if entry.record else None,
            "made": _iso(entry.made),
            "last_used": _iso(entry.used),
            "of_a_run": entry.id in needed,
            "in_use": locks.is_in_use(entry.name),
        }
        for entry in entries
    ]
    return {
        "store": str(root),
        "stages": stages,
        "total": {
            "finished": sum(one.kind == "finished" for one in entries),
            "interrupted": sum(one.kind == "interrupted" for one in entries),
            "bytes": sum(one.num_bytes for one in entries),
            "bytes_of_runs": sum(one.num_bytes for one in entries if one.id in needed),
            "seconds": sum(one.record["seconds"] for one in entries if one.record),
            "bytes_of_decoded_images": tree_bytes(root / "data"),
        },
    }


def format_stages(listed: dict[str, Any]) -> str:
    """Return the result of ``list_stages`` as a table and a line of totals."""
    rows = [
        (
            one["stage"],
            one["id"],
            " ".join(one["made_from"].values()) or "-",
            format_size(one["bytes"]),
            "-" if one["seconds"] is None else _duration(one["seconds"]),
            _local(one["made"]),
            _local(one["last_used"]),
            ", ".join(_remarks(one)),
        )
        for one in listed["stages"]
    ]
    total = listed["total"]
    text = f"{format_table(_COLUMNS, rows=rows, right=(3, 4))}\n\n" if rows else ""
    text += (
        f"{total['finished']} finished, {total['interrupted']} interrupted: {format_size(total['bytes'])}, of which "
        f"runs need {format_size(total['bytes_of_runs'])}; making them took {_duration(total['seconds'])}"
    )
    if total["bytes_of_decoded_images"]:
        text += f"\ndecoded images beside them: {format_size(total['bytes_of_decoded_images'])}"
    if any(one["in_use"] is None for one in listed["stages"]):
        text += f"\n{_describe_unknown_use(Path(listed['store']))}"
    return text


def collect_garbage(root: Path, *, runs: Sequence[Path], rules: Rules, dry_run: bool) -> tuple[str, bool]:
    """Remove stages by ``rules``, or with ``dry_run`` only plan it.

    Returns the text to print, and whether the store then fits into ``rules.max_bytes``. Raises InputError.
    """
    before = sum(entry.num_bytes for entry in list_entries(root))
    planned = plan_cleaning(root, references=_references(root, runs), rules=rules, now=time.time())
    done = planned if dry_run else clean(root, planned)
    rows = [
        (one.entry.path.name, format_size(one.entry.num_bytes), "kept: in use" if one.in_use else one.reason)
        for one in done
    ]
    text = f"{format_table(('stage', 'size', ''), rows=rows, right=(1,))}\n\n" if rows else ""
    gone = [one.entry for one in done if not one.in_use]
    freed = sum(entry.num_bytes for entry in gone)
    verb = "would remove" if dry_run else "removed"
    text += (
        f"{verb} {len(gone)} folders of {format_size(freed)} ({freed:,} bytes); "
        f"{format_size(before - freed)} stay in {root}"
    )
    if any(one.in_use is None for one in done):
        text += f"\n{_describe_unknown_use(root)}"
    fits = rules.max_bytes is None or before - freed <= rules.max_bytes
    if not fits:
        assert rules.max_bytes is not None
        why = (
            "the rest is in use, too new or interrupted"
            if rules.also_of_runs
            else "runs need the rest; --also-of-runs removes it too"
        )
        text += f"\nmore than --max-bytes {format_size(rules.max_bytes)}: {why}"
    return text, fits


def verify_stages(root: Path, *, remove_damaged: bool) -> tuple[str, bool]:
    """Compare the files of every finished stage with their checksums.

    Returns the text to print, with a line for each stage that is damaged or has no checksums, and whether no stage is
    damaged. With ``remove_damaged``, damaged stages are removed unless a process uses them.
    """
    locks, lines, counts = StageLocks(root), [], {"intact": 0, "without checksums": 0, "damaged": 0}
    for entry in list_entries(root):
        if entry.kind != "finished":
            continue
        damage = _find_damage(entry)
        if damage:
            counts["damaged"] += 1
            lines.append(
                f"{entry.name}  damaged: {'; '.join(damage)}{_removed(locks, entry) if remove_damaged else ''}"
            )
        elif entry.record is not None and has_checksums(entry.record):
            counts["intact"] += 1
        else:
            counts["without checksums"] += 1
            lines.append(f"{entry.name}  no checksums: made before checksums were introduced")
    lines.append(", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "intact"))
    return "\n".join(lines), not counts["damaged"]


def _find_damage(entry: Entry) -> list[str]:
    if entry.damage:
        return [entry.damage]
    assert entry.record is not None
    try:
        return find_damage(entry.path, entry.record, contents=True)
    except FileNotFoundError as error:
        # Another process removed the stage, or made it again, while it was read. A removed stage has no damage.
        if not entry.path.exists():
            return []
        return [f"{error.filename} vanished while it was read"]


def _removed(locks: StageLocks, entry: Entry) -> str:
    return "; removed" if remove(locks, entry) else "; kept: in use"


def _references(root: Path, runs: Sequence[Path]) -> set[str]:
    for folder in runs:
        if not folder.is_dir():
            raise InputError(f"--runs {folder}: no such folder")
    try:
        return find_references([root.parent, *runs], leave_out=root)
    except ValueError as error:
        raise InputError(str(error)) from error


def _describe_unknown_use(root: Path) -> str:
    return f"it is not known which stages are in use, for no lock can be written in {root / LOCKS}"


def _rank(stage: str) -> int:
    """Return the place of a stage in the pipeline; unknown stages come last."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def _remarks(one: dict[str, Any]) -> list[str]:
    state = [] if one["state"] == "finished" else [one["state"]]
    return [*state, *(["in use"] if one["in_use"] else []), *([] if one["of_a_run"] else ["no run needs it"])]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _local(iso: str) -> str:
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
