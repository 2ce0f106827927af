"""The failure modes of a run in its result table and in ``report.md``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compression.analysis.verdict import format_p
from compression.core.errors import printable
from compression.core.text import percent
from compression.reporting.markdown import escape, to_table

# A row of the result table: metric, dense, compressed, improvement.
Cells = tuple[str, str, str, str]
# Characters of a class name that fit in a cell.
_LONGEST = 24


def list_failure_rows(failures: Mapping[str, Any] | None) -> Iterator[Cells]:
    """Yield the rows of the table from ``failure_modes`` of ``metrics.json``; none without an analysis."""
    if failures is None:
        return
    dense, compressed, change = failures["dense"], failures["compressed"], failures["change"]["accuracy"]
    span = f"{100 * change['low']:+.2f} to {100 * change['high']:+.2f} points"
    yield ("  95 % interval", _interval(dense["accuracy"]), _interval(compressed["accuracy"]), span)
    before, after = dense["balanced_accuracy"], compressed["balanced_accuracy"]
    points = f"{100 * (after['value'] - before['value']):+.2f} points"
    yield ("balanced accuracy", percent(before["value"]), percent(after["value"]), points)
    yield ("  95 % interval", _interval(before), _interval(after), "")
    before, after = dense["worst_class"], compressed["worst_class"]
    yield ("worst class", _describe_class(before), _describe_class(after), _describe_payer(failures))
    # A record of an earlier version may lack the interval.
    if "low" in before and "low" in after:
        yield ("  95 % interval", _interval(before), _interval(after), "")
    places = ("layer with the largest error", "  the second", "  the third")
    for place, layer in zip(places, failures["layers"] or [], strict=False):
        yield (place, "", f"{layer['name']}, {layer['snr_db']:.1f} dB", "")


def failures_to_markdown(
    failures: Mapping[str, Any] | None, *, folder: str, pictures: Sequence[tuple[str, str]]
) -> str:
    """Return the section of ``report.md``; empty without an analysis.

    ``pictures`` are pairs of a title and the name of a file in ``folder``.
    """
    if failures is None:
        return ""
    lines = ["", "## Failure modes", "", escape(failures["change"]["verdict"]), ""]
    payers = failures["change"]["classes"]
    if payers:
        rows = [
            (
                escape(one["name"]),
                f"{100 * one['change']:+.2f} points",
                f"{100 * one['low']:+.2f} to {100 * one['high']:+.2f}",
                format_p(one["p_corrected"]).removeprefix("= "),
            )
            for one in payers
        ]
        lines += [*to_table(("class that lost", "change", "95 % interval", "p, corrected"), rows), ""]
    linked = ", ".join(f"[{title}]({folder}/{name})" for title, name in pictures)
    return "\n".join([*lines, f"Pictures: {linked}.", ""])


def _describe_class(one: Mapping[str, Any]) -> str:
    return f"{_cut(one['name'])}, {percent(one['recall'])}"


def _describe_payer(failures: Mapping[str, Any]) -> str:
    """Return the class that lost most, e.g. ``cat: -8.00 points``; empty if no class lost."""
    payers = failures["change"]["classes"]
    return f"{_cut(payers[0]['name'])}: {100 * payers[0]['change']:+.2f} points" if payers else ""


def _interval(share: Mapping[str, float]) -> str:
    return f"{100 * share['low']:.2f} to {100 * share['high']:.2f} %"


def _cut(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
