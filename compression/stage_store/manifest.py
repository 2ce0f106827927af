"""What a stage's files were when it was published: sizes and checksums, in its ``stage.json``."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD = "stage.json"
_NEEDED: dict[str, Any] = {"key": dict, "invocation": str, "results": dict, "seconds": (int, float)}
_OF_KEY: dict[str, Any] = {"stage": str, "version": int, "inputs": dict, "parents": list}
_OF_FILE: dict[str, Any] = {"bytes": int, "blake2b": str}
# More than any training takes; what is not finite can be neither added nor shown.
_MANY_SECONDS = 1e12


def describe_files(folder: Path, *, leave_out: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Return bytes and BLAKE2b-128 of every file under ``folder``, but for what lies under the names left out."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "blake2b": _digest_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in leave_out
    }


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``record`` with a checksum of itself."""
    return {**record, "blake2b": _digest_record(record)}


def read_record(folder: Path) -> dict[str, Any]:
    """Return what stands in a stage's ``stage.json``.

    Raises FileNotFoundError where there is none, ValueError with a reason where it is damaged: it can be read no more,
    lacks something, or is not what was sealed.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{RECORD} is not JSON") from error
    if not isinstance(record, dict):
        raise ValueError(f"{RECORD} is no record")
    _require(record, _NEEDED)
    _require(record["key"], _OF_KEY, of="key.")
    if not all(isinstance(parent, str) for parent in record["key"]["parents"]):
        raise ValueError(f"{RECORD} has other parents than ids")
    # Not math.isfinite: an integer may be too large for a float.
    if not 0 <= record["seconds"] < _MANY_SECONDS:
        raise ValueError(f"{RECORD} has {record['seconds']!r:.40} seconds")
    for part in ("made_with", "files"):
        if not isinstance(record.get(part, {}), dict):
            raise ValueError(f"{RECORD} lacks {part}")
    for name, wanted in record.get("files", {}).items():
        if not isinstance(wanted, dict):
            raise ValueError(f"{RECORD} says nothing of {name!r:.80}")
        _require(wanted, _OF_FILE, of=f"{name!r:.80} ")
    if "blake2b" in record and record["blake2b"] != _digest_record(record):
        raise ValueError(f"{RECORD} was changed")
    return record


def find_damage(folder: Path, record: Mapping[str, Any], *, contents: bool) -> list[str]:
    """Return a line for each file of a stage that is not as it was published, e.g. ``model.onnx is missing``.

    Without ``contents`` only that it is there, with its size. A stage of before checksums has nothing to compare with.
    """
    found = []
    for name, wanted in record.get("files", {}).items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif path.stat().st_size != wanted["bytes"]:
            found.append(f"{name} has {path.stat().st_size:,} bytes, not {wanted['bytes']:,}")
        elif contents and _digest_file(path) != wanted["blake2b"]:
            found.append(f"{name} was changed")
    return found


def has_checksums(record: Mapping[str, Any]) -> bool:
    """Return whether the stage was published with checksums of its files."""
    return "files" in record


def _require(found: Mapping[str, Any], kinds: Mapping[str, Any], *, of: str = "") -> None:
    for key, kind in kinds.items():
        if not isinstance(found.get(key), kind):
            raise ValueError(f"{RECORD} lacks {of}{key}")


def _digest_record(record: Mapping[str, Any]) -> str:
    # As it is after being written and read: keys are text there.
    plain = json.loads(json.dumps({key: value for key, value in record.items() if key != "blake2b"}))
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
