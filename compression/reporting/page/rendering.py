"""Rendering of a page with its template; every text is escaped."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from compression.reporting.page.page_blocks import Page
from compression.reporting.page.vega import draw_svg, read_javascript

TEMPLATES = Path(__file__).parent / "templates"


def render_page(page: Page) -> bytes:
    """Return the HTML of ``page`` as UTF-8. The same page gives the same bytes."""
    drawn = {chart.name: draw_svg(chart.spec, name=chart.name) for chart in page.charts}
    data: Mapping[str, Any] = {"rows": page.rows, "specs": _list_specs(page)}
    html: str = _load_template().render(
        page=page,
        drawn=drawn,
        data=data if page.rows else None,
        vega=read_javascript() if page.rows else None,
    )
    # A name from a file may hold half of a surrogate pair, which UTF-8 cannot encode.
    return html.encode("utf-8", errors="replace")


def _list_specs(page: Page) -> dict[str, Any]:
    # Vega gives the description to screen readers.
    return {chart.name: {**chart.spec, "description": chart.description} for chart in page.charts}


@cache
def _load_template() -> Any:
    # Imported late, so that it does not delay the first epoch.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":"), "allow_nan": False}
    return environment.get_template("page.html")
