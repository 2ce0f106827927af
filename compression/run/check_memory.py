"""A memory of passed checks: what a first run of a network showed is read again by later runs of the same network."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from compression.system.cache import find_cache
from compression.system.files import write_atomic

# Raise this number when a change of the checks, or of what they check, could change a result.
VERSION = 2
# The folder of remembered checks; by default one in the user's cache.
CACHE_VARIABLE = "COMPRESSION_CHECK_CACHE"
_PACKAGES = ("torch", "torchvision", "timm", "onnx", "onnxscript", "onnxruntime", "compression")


class CheckMemory:
    """The remembered result of the check ``name`` for the settings ``inputs``, which are plain values.

    It is a small file in the user's cache. A result of other versions of this package or of PyTorch, timm or the ONNX
    packages is not found. A cache that cannot be read or written remembers nothing.
    """

    def __init__(self, name: str, inputs: Mapping[str, Any]) -> None:
        described = {"name": name, "version": VERSION, "packages": [_version(one) for one in _PACKAGES], **inputs}
        text = json.dumps(described, sort_keys=True, default=str)
        self.path = cache_folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"

    def recall(self) -> dict[str, Any] | None:
        """Return the remembered result, or None."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def remember(self, result: Mapping[str, Any]) -> None:
        """Keep ``result``, plain values, for later runs."""
        with contextlib.suppress(OSError):
            write_atomic(self.path, json.dumps(dict(result)).encode())


def cache_folder() -> Path:
    """Return the folder of remembered checks, which need not exist."""
    return find_cache("checks", variable=CACHE_VARIABLE)


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
