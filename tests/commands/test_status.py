import io

import pytest
from rich.console import Console
from small_files import run
from sweep_folders import Folder

from compression.commands.status import is_over, show_status
from compression.sweep.opened import close_sweep, open_sweep


@pytest.fixture
def folder(tmp_path):
    """A sweep of a job that is finished, one that failed and one that has not begun."""
    folder = Folder(tmp_path / "sweep")
    folder.add("done")
    folder.add("broke", status="failed", reason="no such folder: [/data/x]")
    folder.add("later", status=None)
    return folder


def lines(table):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return [line.split() for line in console.export_text().splitlines()]


def test_a_row_for_each_job_and_their_number(folder):
    result = run("status", folder.path)
    assert result.exit_code == 0, result.output
    assert "sweep: 3 jobs, 1 finished, 1 failed, 1 waiting" in result.stdout
    words = [[word for word in line if word != "│"] for line in lines(show_status(folder.path))]
    assert ["done", "finished", "12", "s"] in words
    assert ["broke", "failed", "12", "s", "no", "such", "folder:", "[/data/x]"] in words
    assert ["later", "waiting"] in words


def test_minutes_where_it_took_long(folder):
    folder.write("done", "job.json", '{"schema_version": 1, "status": "finished", "seconds": 150}')
    assert "2.5 min" in run("status", folder.path).stdout


def test_it_is_over_when_neither_its_command_nor_a_job_is_at_work(folder):
    assert is_over(folder.path)
    open_sweep(folder.path)
    assert not is_over(folder.path)
    close_sweep(folder.path)
    assert is_over(folder.path)


def test_a_folder_that_is_no_sweep_is_one_line(tmp_path):
    result = run("status", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
