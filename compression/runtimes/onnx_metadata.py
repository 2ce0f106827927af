"""Metadata of ONNX files: JSON values by name, stored as metadata properties."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from compression.system.files import write_atomic


def write_with_metadata(proto: onnx.ModelProto, path: Path | str, metadata: Mapping[str, Any]) -> int:
    """Add ``metadata`` to ``proto``, write it to ``path``, and return the size of the file in bytes.

    Properties keep the order of ``metadata``, and the output is deterministic: equal arguments give equal bytes.
    """
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    data: bytes = proto.SerializeToString(deterministic=True)
    write_atomic(path, data)
    return len(data)
