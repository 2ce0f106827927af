"""The command ``status``: the status of a sweep's jobs, while it runs and after."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table
from rich.text import Text

from compression.sweep.jobs import FINISHED, RUNNING, JobState, Sweep, read_log_line, read_state, read_sweep
from compression.sweep.presence import is_open

_COLOURS = {
    "finished": "green",
    "running": "cyan",
    "failed": "red",
    "killed": "red",
    "broken": "red",
    "interrupted": "yellow",
}


# The order in which jobs are kept if there is no room for all: running, failed, waiting, finished.
_FIRST = ("running", "failed", "killed", "broken", "interrupted", "waiting", "finished")


def show_status(folder: Path, *, most: int | None = None) -> Table:
    """Return a table with a row per job. With ``most``, show at most that many, and count the others in the caption.

    Raises InputError if ``folder`` is not a sweep.
    """
    sweep = read_sweep(folder)
    states = [read_state(folder / job.name) for job in sweep.jobs]
    shown = states if most is None else _choose(states, max(1, most))
    table = Table(title=Text(_summarize(sweep, states)), title_justify="left", title_style="", caption_justify="left")
    for name in ("job", "status", "time", "now, or why it ended"):
        table.add_column(name, justify="right" if name == "time" else "left", overflow="fold")
    for state in shown:
        note = read_log_line(folder / state.name) if state.status == RUNNING else state.reason
        # Wrapped in Text, because rich would read brackets in a reason as markup.
        status = Text(state.status, style=_COLOURS.get(state.status, ""))
        table.add_row(Text(state.name), status, _time(state), Text(note or ""))
    if len(shown) < len(states):
        left = Counter(state.status for state in states) - Counter(state.status for state in shown)
        table.caption = f"not shown: {_count(left)}"
    return table


def _choose(states: list[JobState], most: int) -> list[JobState]:
    """Return the ``most`` important states, in their original order. Of the finished jobs the last ones are kept."""
    if len(states) <= most:
        return states
    ended = {id(state): -place for place, state in enumerate(states) if state.status == FINISHED}
    ranked = sorted(states, key=lambda state: (_FIRST.index(state.status), ended.get(id(state), 0)))
    chosen = {id(state) for state in ranked[:most]}
    return [state for state in states if id(state) in chosen]


def is_over(folder: Path) -> bool:
    """Return whether the sweep is over: neither its command nor any of its jobs is running."""
    return not is_open(folder) and all(
        read_state(folder / job.name).status != RUNNING for job in read_sweep(folder).jobs
    )


def _summarize(sweep: Sweep, states: list[JobState]) -> str:
    return f"{sweep.folder.name}: {len(states)} jobs, {_count(Counter(state.status for state in states))}"


def _count(statuses: Counter[str]) -> str:
    return ", ".join(f"{number} {status}" for status, number in statuses.items())


def _time(state: JobState) -> str:
    seconds = state.seconds
    if state.status == RUNNING and state.begun is not None:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(state.begun)).total_seconds()
    if seconds is None:
        return ""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
