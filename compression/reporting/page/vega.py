"""Vega, from the wheel vl-convert-python: drawings of charts as SVG, and the JavaScript for live charts."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

# All that XML does not allow, but for single halves of surrogate pairs, which JSON cannot hold in UTF-8 either.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")


@cache
def read_javascript() -> str:
    """Return Vega and vega-embed as the content of a ``<script>`` element, which defines ``vegaEmbed``."""
    # Imported late: the library is large, and only a page with live charts needs it.
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    # In a function, because the bundle names a thousand things that would all be global.
    return f"(() => {{{escape_script(bundle)}}})();"


def escape_script(source: str) -> str:
    r"""Return JavaScript that can stand inside ``<script>``: ``</script`` and ``<!--`` in its texts get a backslash."""
    return re.sub(r"<(/script|!--)", r"<\\\1", source, flags=re.IGNORECASE)


def draw_svg(spec: Mapping[str, Any], *, name: str) -> str:
    """Return the chart of a Vega specification as an SVG element. Its ids start with ``name``, unique in the page."""
    import vl_convert

    # A control character in a text stops the renderer, and with it Python.
    svg = vl_convert.vega_to_svg(json.dumps(_clean(spec)), allowed_base_urls=[])
    # The page describes the drawing, so its parts need no roles of their own.
    svg = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg).replace("<svg ", '<svg aria-hidden="true" ', 1)
    # Every drawing numbers its clip paths from 0.
    return re.sub(r'(id="|url\(#)(?=clip|gradient)', rf"\g<1>{name}-", svg)


def _clean(value: Any) -> Any:
    """Return a part of a specification whose texts have no control characters."""
    if isinstance(value, str):
        return value if value.isprintable() else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {key: _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list | tuple) else value
