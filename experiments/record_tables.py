"""What the tables of results are made of: records, and cells."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Line(NamedTuple):
    """A line of the summary: the record's folder, the result that links to it, more of it, what it was measured on."""

    folder: str
    result: str
    more: str
    where: str


HERE = Path(__file__).resolve().parent


def read(record: str) -> Any:
    """Return the record, a JSON file in this folder."""
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
