"""The table of a sweep's status."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from small_files import run
from sweep_folders import Folder

from compression.commands.show_status import is_over, show_status
from compression.sweep.jobs import Job, JobState, Sweep
from compression.sweep.presence import close_sweep, open_sweep


@pytest.fixture
def folder(tmp_path):
    """A sweep with a finished job, a failed one and one that has not started."""
    folder = Folder(tmp_path / "sweep")
    folder.add("done")
    folder.add("broke", status="failed", reason="no such folder: [/data/x]")
    folder.add("later", status=None)
    return folder


def text(table):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def lines(table):
    return [line.split() for line in text(table).splitlines()]


def test_a_row_per_job_and_counts_in_the_title(folder):
    result = run("status", folder.path)
    assert result.exit_code == 0, result.output
    assert "sweep: 3 jobs, 1 finished, 1 failed, 1 waiting" in result.stdout
    words = [[word for word in line if word != "│"] for line in lines(show_status(folder.path))]
    assert ["done", "finished", "12", "s"] in words
    assert ["broke", "failed", "12", "s", "no", "such", "folder:", "[/data/x]"] in words
    assert ["later", "waiting"] in words


def test_long_times_are_in_minutes(folder):
    folder.write("done", "job.json", '{"schema_version": 1, "status": "finished", "seconds": 150}')
    assert "2.5 min" in run("status", folder.path).stdout


def test_a_folder_without_a_sweep_is_a_one_line_error(tmp_path):
    result = run("status", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


@pytest.fixture
def sweep(tmp_path):
    """A sweep of three jobs whose command is running; no job has started."""
    sweep = Sweep(tmp_path, ("train.py",), {}, tuple(Job(name, (), {}) for name in ("a-1", "b-2", "c-3")))
    open_sweep(tmp_path)
    sweep.write()
    return sweep


def test_brackets_are_not_markup(sweep):
    JobState("a-1", "failed", "no such folder: [/data/x]").write(sweep.folder / "a-1")
    JobState("b-2", "running").write(sweep.folder / "b-2")
    (sweep.folder / "b-2" / "output.log").write_text("epoch [bold]3[/nothing]")
    shown = text(show_status(sweep.folder))
    assert "no such folder: [/data/x]" in shown
    assert "epoch [bold]3[/nothing]" in shown


def test_the_most_important_jobs_are_shown_if_room_is_short(sweep):
    statuses = ["finished", "finished", "failed", "running", "waiting", "waiting"]
    jobs = tuple(Job(f"j{number}", (), {}) for number in range(len(statuses)))
    replace(sweep, jobs=jobs).write()
    for job, status in zip(jobs, statuses, strict=True):
        if status != "waiting":
            JobState(job.name, status).write(sweep.folder / job.name)
    shown = text(show_status(sweep.folder, most=3))
    assert [name for name in ("j0", "j1", "j2", "j3", "j4", "j5") if name in shown] == ["j2", "j3", "j4"]
    assert "not shown: 2 finished, 1 waiting" in shown
    assert "not shown" not in text(show_status(sweep.folder, most=6))


def test_a_sweep_is_over_when_no_process_works_on_it(sweep):
    for job in sweep.jobs:
        JobState(job.name, "finished").write(sweep.folder / job.name)
    assert not is_over(sweep.folder), "baselines may come"
    close_sweep(sweep.folder)
    assert is_over(sweep.folder)
    JobState("b-2", "running").write(sweep.folder / "b-2")
    assert not is_over(sweep.folder), "a task that was lost may run"
    # A waiting job of a closed sweep will not start.
    (sweep.folder / "b-2" / "job.json").unlink()
    assert is_over(sweep.folder)
