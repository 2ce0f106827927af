"""Plain text tables that neither wrap nor depend on the width of a terminal."""

from collections.abc import Collection, Sequence

from compression.core.errors import printable


def format_table(header: Sequence[str], *, rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return the header and rows as lines of aligned columns; columns in ``right`` (indices) align to the right.

    Unprintable characters, for example in a name from a file, are escaped.
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
