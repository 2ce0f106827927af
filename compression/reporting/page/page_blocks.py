"""The parts of a page: text, code, tables, charts, pictures, and sections of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

# CSS pixels of a picture that is shown over the whole width of the page.
_BROAD = 900


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Code:
    """Commands or a configuration, as written. ``label`` names it for screen readers."""

    label: str
    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Cell:
    """A cell of a table. ``sort`` is the number or text that it is sorted by; ``href`` is a relative link."""

    text: str
    sort: float | str | None = None
    href: str | None = None


@dataclass(frozen=True)
class Table:
    """A table. The first column names its row. Columns named in ``words`` hold text, all others hold numbers.

    With ``ids``, one for each row, the rows can be sorted, and they fade when they are outside the limits. A row whose
    id is None never fades.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    words: Sequence[str] = ()
    ids: Sequence[int | None] | None = None
    kind: ClassVar[str] = "table"

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows with every text as a cell."""
        return [[one if isinstance(one, Cell) else Cell(one) for one in row] for row in self.rows]


@dataclass(frozen=True)
class Chart:
    """A chart as a Vega specification.

    ``name`` is unique in the page. ``description`` says for screen readers what is drawn, ``caption`` is read by all.
    ``wide`` charts take the complete width of the page.
    """

    name: str
    title: str
    description: str
    spec: Mapping[str, Any]
    caption: str = ""
    wide: bool = False
    kind: ClassVar[str] = "chart"


@dataclass(frozen=True)
class Picture:
    """A picture inside the page, as a data URI. Width and height are those that it is shown with, in CSS pixels."""

    title: str
    description: str
    uri: str
    width: int
    height: int
    kind: ClassVar[str] = "picture"

    @property
    def is_broad(self) -> bool:
        """Whether its texts cannot be read if it has only half the page."""
        return self.width > _BROAD


@dataclass(frozen=True)
class Gallery:
    """Blocks of one kind side by side, as far as the page is wide enough."""

    blocks: Sequence[Chart] | Sequence[Picture] | Sequence[Table]
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Details:
    """Blocks behind a title that opens them."""

    title: str
    blocks: Sequence["Block"]
    kind: ClassVar[str] = "details"


@dataclass(frozen=True)
class Limit:
    """A number that the reader may set: rows with a smaller (``least``) or a larger value of ``key`` fade."""

    key: str
    label: str
    least: bool


@dataclass(frozen=True)
class Choice:
    """A setting that the reader may hold at one of its values."""

    key: str
    label: str
    values: Sequence[str]


@dataclass(frozen=True)
class Controls:
    """The limits and choices of a sweep's page. They need JavaScript, so they are hidden without it."""

    limits: Sequence[Limit]
    choices: Sequence[Choice] = ()
    kind: ClassVar[str] = "controls"


Block = Text | Code | Table | Chart | Picture | Gallery | Details | Controls


@dataclass(frozen=True)
class Section:
    """A part of the page with a title, named in the table of contents. ``name`` is the target of links to it."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A page: what it is (``kicker``), its title, sentences of verdict, a table of headline numbers, and sections.

    ``rows`` are the values that limits and choices compare, by the id of a table's row. With rows, the page is live.
    """

    kicker: str
    title: str
    verdict: Sequence[str]
    headline: Table | None
    sections: Sequence[Section]
    rows: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def charts(self) -> list[Chart]:
        """Every chart of the page, in order."""
        return [chart for section in self.sections for chart in _find_charts(section.blocks)]


def _find_charts(blocks: Sequence[Block]) -> list[Chart]:
    found: list[Chart] = []
    for block in blocks:
        if isinstance(block, Chart):
            found.append(block)
        elif isinstance(block, (Gallery, Details)):
            found += _find_charts(block.blocks)
    return found
