"""Chart of values with their spread: one row per name, the dense and the compressed value in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compression.reporting.page.chart_style import BLUE, GREY, NUMBER, frame, list_log_ticks, make_axis, pad_domain

_ROW, _MARGINS = 42, 78


@dataclass(frozen=True)
class SpreadRow:
    """A row with (low, middle, high) of the dense and of the compressed model."""

    name: str
    dense: tuple[float, float, float]
    compressed: tuple[float, float, float]


def make_spread_spec(rows: Sequence[SpreadRow], *, title: str) -> dict[str, Any]:
    """Return the Vega specification of rows, drawn on a logarithmic axis with this ``title``. Values are above 0."""
    longest = max(len(row.name) for row in rows)
    spec = frame(left=min(16 + 6.6 * longest, 150), height=_MARGINS + _ROW * len(rows), bottom=66)
    values = [
        {"name": row.name, "model": model, "low": low, "middle": middle, "high": high}
        for row in rows
        for model, (low, middle, high) in (("dense", row.dense), ("compressed", row.compressed))
    ]
    domain = pad_domain([limit for row in rows for limit in (*row.dense, *row.compressed)], log=True)
    spec["data"] = [{"name": "values", "values": values}]
    spec["scales"] = [
        {"name": "x", "type": "log", "domain": domain, "range": "width"},
        {"name": "y", "type": "band", "domain": [row.name for row in rows], "range": "height", "padding": 0.25},
        {"name": "colour", "type": "ordinal", "domain": ["dense", "compressed"], "range": [GREY, BLUE]},
        {"name": "shape", "type": "ordinal", "domain": ["dense", "compressed"], "range": ["diamond", "circle"]},
    ]
    spec["axes"] = [
        make_axis("left", "y", title="", domain=False, ticks=False),
        make_axis("bottom", "x", title=title, values=list_log_ticks(*domain), format=NUMBER, grid=True),
    ]
    spec["legends"] = [{"fill": "colour", "shape": "shape", "orient": "bottom", "direction": "horizontal", "offset": 6}]
    colour = {"scale": "colour", "field": "model"}
    third = "bandwidth('y') * (datum.model === 'dense' ? 0.3 : 0.7)"
    y = {"signal": f"scale('y', datum.name) + {third}"}
    rule = {"x": {"scale": "x", "field": "low"}, "x2": {"scale": "x", "field": "high"}, "y": y}
    dot = {"x": {"scale": "x", "field": "middle"}, "y": y, "fill": colour, "size": {"value": 60}}
    dot |= {"shape": {"scale": "shape", "field": "model"}}
    number = {"x": {"scale": "x", "field": "high"}, "dx": {"value": 6}, "y": y, "baseline": {"value": "middle"}}
    number |= {"text": {"signal": "format(datum.middle, ',.3~r')"}}
    # Numbers at the right edge would be cut off.
    number |= {"align": {"signal": "scale('x', datum.high) > width - 40 ? 'right' : 'left'"}}
    number["x"] = {
        "signal": "scale('x', datum.high) > width - 40 ? scale('x', datum.low) - 12 : scale('x', datum.high)"
    }
    spec["marks"] = [
        {
            "type": "rule",
            "from": {"data": "values"},
            "encode": {"update": {**rule, "stroke": colour, "strokeWidth": {"value": 2}}},
        },
        {"type": "symbol", "from": {"data": "values"}, "encode": {"update": dot}},
        {"type": "text", "from": {"data": "values"}, "encode": {"update": number}},
    ]
    return spec
