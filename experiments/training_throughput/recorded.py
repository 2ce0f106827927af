"""The results of a script that can be stopped and started again: one JSON file, complete after every result."""

import json
from pathlib import Path
from typing import Any

from compression.core.errors import InputError
from compression.system.files import write_atomic


class Recorded:
    """Results by group and name in ``path``, each written as soon as it is added.

    ``about`` says what was measured, such as the device. Raises ``InputError`` if the file holds results of something
    else.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._path = path
        self._document: dict[str, Any] = {"about": about}
        if path.exists():
            self._document = json.loads(path.read_text())
            if self._document["about"] != about:
                raise InputError(
                    f"{path} holds results of {self._document['about']}, not of {about}: give another --out, or --again"
                )

    def group(self, group: str) -> dict[str, dict[str, Any]]:
        """Return all results of ``group`` by name, in the order in which they were added."""
        return dict(self._document.get(group, {}))

    def add(self, group: str, name: str, result: dict[str, Any]) -> None:
        """Add one result and write the file."""
        self._document.setdefault(group, {})[name] = result
        write_atomic(self._path, (json.dumps(self._document, indent=1) + "\n").encode())
