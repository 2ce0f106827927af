"""The record ``stage.json`` of a published stage, with sizes and checksums of the stage's files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from compression.core.json_record import convert_record

RECORD = "stage.json"


class _File(Struct):
    bytes: Annotated[int, Meta(ge=0)]
    blake2b: str


class _Key(Struct):
    stage: str
    version: int
    inputs: dict[str, Any]
    parents: list[str]


class _Record(Struct):
    key: _Key
    invocation: str
    results: dict[str, Any]
    # More seconds than any training takes. The limit also excludes infinity, which can be neither added nor shown.
    seconds: Annotated[float, Meta(ge=0, lt=1e12)]
    made_with: dict[str, Any] = {}
    files: dict[str, Any] = {}


def describe_files(folder: Path, *, leave_out: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Return bytes and BLAKE2b-128 of every file under ``folder``. Entries named in ``leave_out`` are skipped."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "blake2b": _digest_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in leave_out
    }


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``record`` with a checksum of its content."""
    return {**record, "blake2b": _digest_record(record)}


def read_record(folder: Path) -> dict[str, Any]:
    """Return the content of a stage's ``stage.json``, unchanged.

    Raises FileNotFoundError if the file is missing. Raises ValueError with a reason if the record is damaged: it is not
    JSON, lacks an entry, or does not match its checksum.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{RECORD} is not JSON") from error
    for name, file in convert_record(record, _Record, source=RECORD).files.items():
        convert_record(file, _File, source=f"{RECORD}: files: {name!r:.80}")
    if "blake2b" in record and record["blake2b"] != _digest_record(record):
        raise ValueError(f"{RECORD} was changed")
    found: dict[str, Any] = record
    return found


def find_damage(folder: Path, record: Mapping[str, Any], *, contents: bool) -> list[str]:
    """Return a line for each file of a stage that differs from the published one, e.g. ``model.onnx is missing``.

    With ``contents``, checksums are compared as well, not only sizes. A stage that was made before checksums existed
    has nothing to compare.
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


def _digest_record(record: Mapping[str, Any]) -> str:
    # A round trip through JSON turns keys into text, as in the record that is read later.
    plain = json.loads(json.dumps({key: value for key, value in record.items() if key != "blake2b"}))
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
