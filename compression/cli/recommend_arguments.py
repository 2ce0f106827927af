"""The command line of ``recommend``."""

from typing import Annotated

import typer

from compression.cli.shared_options import Sweep
from compression.cli.shared_steps import print_wide


def recommend(
    folder: Sweep,
    max_drop: Annotated[
        float | None, typer.Option(metavar="POINTS", help="Largest loss of accuracy in percentage points, e.g. 1.0.")
    ] = None,
    max_bytes: Annotated[str | None, typer.Option(metavar="SIZE", help="Largest file, e.g. 300KiB or 1.5MB.")] = None,
    max_latency: Annotated[
        str | None, typer.Option(metavar="TIME", help="Longest latency of a batch in the fastest engine, e.g. 0.5ms.")
    ] = None,
) -> None:
    """Print the best finished configuration within limits, the misses of the others, and what to run next."""
    from compression.commands.recommend_model import recommend_within

    print_wide(recommend_within(folder, max_drop=max_drop, max_bytes=max_bytes, max_latency=max_latency))
