"""The user's own code in a stage's identity: an edited model or criterion is another one."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Installed packages, whose versions are recorded with every stage.
_NOT_THE_USERS = ("torch", "torchvision", "timm", "lightning")


def user_code(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the file behind every ``_target_`` in ``settings`` that a user may have written.

    Files of this package count as well: a new criterion is a user's as much as a module beside train.py. What a file
    imports in turn is not followed.
    """
    return {target: _digest(target) for target in sorted(set(_targets(settings))) if _is_the_users(target)}


def _targets(settings: Any) -> Iterator[str]:
    if isinstance(settings, Mapping):
        if isinstance(settings.get("_target_"), str):
            yield settings["_target_"]
        for value in settings.values():
            yield from _targets(value)


def _is_the_users(target: str) -> bool:
    return target.split(".")[0] not in _NOT_THE_USERS


def _digest(target: str) -> str:
    spec = find_spec(target.rpartition(".")[0])
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return "no source file"
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
