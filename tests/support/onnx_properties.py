"""Metadata of ONNX files."""

import json
from pathlib import Path
from typing import Any

import onnx


def read_metadata(path: Path | str) -> dict[str, Any]:
    """Return the metadata of the ONNX file at ``path``, with its values decoded from JSON."""
    proto = onnx.load(path, load_external_data=False)
    return {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
