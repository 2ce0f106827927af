"""Columns of plain text that neither wrap nor depend on a terminal."""

from collections.abc import Collection, Sequence

from compression.core.errors import printable


def format_table(header: Sequence[str], *, rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return header and rows with columns aligned, those whose index is in ``right`` to the right.

    What cannot be printed, as in a name from a file, is written out.
    """
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
