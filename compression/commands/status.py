"""How the jobs of a sweep stand, while it runs and after."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from compression.sweep.jobs import RUNNING, WAITING, JobState, Sweep, read_log_line, read_state, read_sweep

_COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "killed": "red", "interrupted": "yellow"}


def show_status(folder: Path) -> Table:
    """Return a table with a row for each job; raises InputError where ``folder`` is no sweep."""
    sweep = read_sweep(folder)
    states = [read_state(folder / job.name) for job in sweep.jobs]
    table = Table(title=_summarize(sweep, states), title_justify="left", title_style="", caption_justify="left")
    for name in ("job", "status", "time", "now, or why it ended"):
        table.add_column(name, justify="right" if name == "time" else "left", overflow="fold")
    for state in states:
        colour = _COLOURS.get(state.status, "")
        text = read_log_line(folder / state.name) if state.status == RUNNING else state.reason
        table.add_row(state.name, f"[{colour}]{state.status}[/]" if colour else state.status, _time(state), text or "")
    return table


def is_over(folder: Path) -> bool:
    """Whether no job of the sweep runs or waits."""
    states = [read_state(folder / job.name).status for job in read_sweep(folder).jobs]
    return RUNNING not in states and WAITING not in states


def _summarize(sweep: Sweep, states: list[JobState]) -> str:
    counts = Counter(state.status for state in states)
    told = ", ".join(f"{number} {status}" for status, number in counts.items())
    return f"{sweep.folder.name}: {len(states)} jobs, {told}"


def _time(state: JobState) -> str:
    seconds = state.seconds
    if state.status == RUNNING and state.begun is not None:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(state.begun)).total_seconds()
    if seconds is None:
        return ""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
