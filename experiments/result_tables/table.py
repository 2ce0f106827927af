"""What the tables of results are made of: records, and cells."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent


def read(record: str) -> Any:
    """Return the record, a JSON file in experiments/."""
    return json.loads((HERE / record).read_text())


def to_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, text: int = 1) -> str:
    """Return a Markdown table whose first ``text`` columns are words, and whose others are numbers."""
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * text + "---:|" * (len(header) - text)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def percent(share: float, digits: int = 1) -> str:
    """Return a fraction in percent, without the sign."""
    return f"{100 * share:.{digits}f}"


def lost(dense: float, compressed: float) -> str:
    """Return the points lost; a gain is negative."""
    return f"{100 * (dense - compressed):+.2f}"
