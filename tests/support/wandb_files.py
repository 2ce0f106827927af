"""A reader of the files that W&B writes offline: LevelDB's log format with messages of ``wandb_internal.proto``."""

import json
import struct
from pathlib import Path
from typing import Any

_BLOCK, _HEAD = 32768, struct.Struct("<IHB")
_FULL, _LAST = 1, 4


class OfflineRun:
    """One offline run: its id, name, group, configuration, history (a list of rows) and summary."""

    def __init__(self, file: Path) -> None:
        from wandb.proto import wandb_internal_pb2

        self.id = self.name = self.group = ""
        self.config: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.exit_code: int | None = None
        for data in _read_records(file.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(data)
            if record.HasField("run"):
                self.id, self.name, self.group = record.run.run_id, record.run.display_name, record.run.run_group
                self.config |= _items(record.run.config.update)
            elif record.HasField("config"):
                self.config |= _items(record.config.update)
            elif record.HasField("history"):
                self.history.append(_items(record.history.item))
            elif record.HasField("summary"):
                self.summary |= _items(record.summary.update)
            elif record.HasField("exit"):
                self.exit_code = record.exit.exit_code

    def curve(self, name: str) -> list[tuple[int, float]]:
        """Return (update of the stage, value) of each point of a curve such as ``dense/val/accuracy``."""
        update = f"{name.partition('/')[0]}/update"
        return [(row[update], row[name]) for row in self.history if name in row]


def read_runs(folder: Path) -> list[OfflineRun]:
    """Return all offline runs below the folder of a job."""
    return [OfflineRun(file) for file in sorted(folder.glob("wandb/offline-run-*/*.wandb"))]


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _read_records(data: bytes) -> list[bytes]:
    # 7 bytes: ":W&B", a magic number and a version.
    assert data.startswith(b":W&B")
    records, part, at = [], b"", 7
    while at + _HEAD.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEAD.size:
            at += left
            continue
        _, length, kind = _HEAD.unpack_from(data, at)
        if not kind:
            break
        at += _HEAD.size
        part += data[at : at + length]
        at += length
        if kind in (_FULL, _LAST):
            records.append(part)
            part = b""
    return records
