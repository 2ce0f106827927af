"""The command ``search``: trials of configurations, and the table of the best ones."""

from collections.abc import Sequence
from pathlib import Path

from compression.commands.text_table import format_table
from compression.sweep.axis_names import shorten_key
from compression.sweep.search.search_loop import FRONT_CSV, FRONT_JSON, Search
from compression.sweep.search.space import Space, read_space
from compression.sweep.search.trials import Point


def run_search(overrides: Sequence[str], *, space: Path, num_trials: int, seed: int) -> tuple[str, bool]:
    """Run trials until there are ``num_trials``, including earlier ones of the same search.

    ``space`` is a YAML file with the searched keys. Returns the front of accuracy and bytes as text, and whether any
    trial finished. Raises ``InputError``.
    """
    wanted = read_space(space)
    search = Search(overrides, wanted, seed=seed)
    print(f"{search.folder}\n", flush=True)
    front = search.go_on(most=num_trials)
    finished, failed = search.trials.count()
    summary = f"{finished} of {num_trials} trials finished, {failed} failed"
    if not front:
        return summary, False
    title = f"{summary}; no trial beats these in both accuracy and bytes:"
    return (
        f"\n{title}\n\n{_format(front, wanted)}\n\nin {search.folder}: {FRONT_CSV}, {FRONT_JSON}, a folder per job",
        True,
    )


def _format(front: Sequence[Point], space: Space) -> str:
    header = ("job", "validation accuracy", "bytes", *map(shorten_key, space))
    rows = [
        (point.job, f"{100 * point.val_accuracy:.2f} %", f"{point.num_bytes:,}", *map(str, point.values.values()))
        for point in front
    ]
    return format_table(header, rows=rows, right=tuple(range(1, len(header))))
