"""The elements of an HTML page, parsed by the standard library."""

from html.parser import HTMLParser

# Attributes that can load something.
LOADING = ("src", "href", "data", "srcset", "poster", "action", "xlink:href")


class Elements(HTMLParser):
    """The start tags of a page with their attributes, and the texts of its scripts and of everything else."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data
        elif not (self._open and self._open[-1] == "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All text outside of scripts and styles."""
        return " ".join(self.texts)

    def loaded(self) -> list[str]:
        """Return every address that loads something: links within the page and data URIs are left out."""
        found = [value for _, attrs in self.tags for key, value in attrs.items() if key in LOADING and value]
        return [value for value in found if not value.startswith(("#", "data:"))]
