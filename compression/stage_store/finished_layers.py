"""The layers that a stage has measured so far. They stay on disk if it is killed."""

import json
import time
from pathlib import Path
from typing import Any

from compression.stage_store.store import RESUME
from compression.system.files import write_atomic


class FinishedLayers:
    """Rows by layer, read from the ``folder`` of a stage if an earlier attempt left some.

    ``earlier_seconds`` is what earlier attempts took until their last row.
    """

    def __init__(self, folder: Path) -> None:
        self.rows: dict[str, Any] = {}
        self.earlier_seconds = 0.0
        self._file, self._start = folder / RESUME / "layers.json", time.monotonic()
        if self._file.exists():
            kept = json.loads(self._file.read_text())
            self.rows, self.earlier_seconds = kept["rows"], kept["seconds"]

    def add(self, name: str, row: Any) -> None:
        """Keep ``row``, which JSON can hold, as that of the layer ``name``."""
        self.rows[name] = row
        seconds = self.earlier_seconds + time.monotonic() - self._start
        write_atomic(self._file, json.dumps({"rows": self.rows, "seconds": seconds}).encode())
