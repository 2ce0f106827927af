"""What an ONNX file says of itself: JSON values by name, among its metadata properties."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from compression.system.files import write_atomic


def write_with_metadata(proto: onnx.ModelProto, path: Path | str, metadata: Mapping[str, Any]) -> int:
    """Write ``proto`` to ``path`` with ``metadata`` beside what it holds, and return the file's bytes.

    Properties stand in the order they were given in, so the same model gives the same bytes.
    """
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    data: bytes = proto.SerializeToString(deterministic=True)
    write_atomic(path, data)
    return len(data)


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Return the metadata of the file at ``path``."""
    proto = onnx.load(path, load_external_data=False)
    return {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
