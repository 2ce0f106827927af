"""Markdown of reports: tables, and text from data that must not be read as markup."""

import re
from collections.abc import Collection, Sequence

from compression.core.errors import printable

# An underscore inside a word, as in mobilenet_v2, has no meaning. A bracket matters where a link could begin.
_SPECIAL = re.compile(r"[\\`*|<]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[]|&(?=#?\w+;)")
_ENTITIES = {"<": "&lt;", "&": "&amp;"}


def escape(text: object) -> str:
    """Return ``text``, which may hold names from data, on one line and without a meaning in Markdown or HTML.

    Leading spaces stay, and so do characters that have no meaning where they stand.
    """
    line = printable(" ".join(str(text).splitlines()))
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), line)


def to_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[int] = (0,)) -> list[str]:
    """Return the lines of a table. The columns in ``left`` are aligned to the left, all others to the right.

    Cells are Markdown: ``escape`` those that hold names.
    """
    rule = "".join("---|" if index in left else "---:|" for index in range(len(header)))
    return [f"| {' | '.join(header)} |", f"|{rule}", *(f"| {' | '.join(row)} |" for row in rows)]
