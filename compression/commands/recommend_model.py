"""What to ship within limits, from the records of a sweep."""

from pathlib import Path

from rich.console import RenderableType

from compression.sweep.report.limits import Limits, check_drop, parse_bytes, parse_milliseconds
from compression.sweep.report.recommendation import recommend


def recommend_within(
    folder: Path, *, max_drop: float | None, max_bytes: str | None, max_latency: str | None
) -> RenderableType:
    """Return what to print; raises InputError for a wrong unit, no limit, or a folder without finished jobs."""
    limits = Limits(
        max_drop=None if max_drop is None else check_drop(max_drop),
        max_bytes=None if max_bytes is None else parse_bytes(max_bytes, key="--max-bytes"),
        max_latency=None if max_latency is None else parse_milliseconds(max_latency, key="--max-latency"),
    )
    return recommend(folder, limits).to_rich()
