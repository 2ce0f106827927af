"""The command ``recommend``: the best finished configuration of a sweep within limits."""

from pathlib import Path

from rich.console import RenderableType

from compression.sweep.report.limits import Limits, check_drop, parse_bytes, parse_milliseconds
from compression.sweep.report.recommendation import recommend


def recommend_within(
    folder: Path, *, max_drop: float | None, max_bytes: str | None, max_latency: str | None
) -> RenderableType:
    """Return the recommendation to print.

    ``max_drop`` is in points of accuracy; the others are texts with a unit, such as 300KiB and 0.5ms. Raises InputError
    for a wrong value, if there is no limit, or if no job in ``folder`` has finished.
    """
    limits = Limits(
        max_drop=None if max_drop is None else check_drop(max_drop),
        max_bytes=None if max_bytes is None else parse_bytes(max_bytes, key="--max-bytes"),
        max_latency=None if max_latency is None else parse_milliseconds(max_latency, key="--max-latency"),
    )
    return recommend(folder, limits).to_rich()
