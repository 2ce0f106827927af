"""Jobs of earlier commands in the folder of a sweep."""

import pytest

from compression.core.errors import InputError
from compression.sweep.jobs import Job, JobState, Sweep
from compression.sweep.previous_jobs import add_axes, join_axes, read_earlier


def test_a_file_in_place_of_the_folder_is_refused_before_the_plan(start, tmp_path, capsys):
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match=r"mine is a file: give another name=$"):
        start("sparsity=0.5,0.7")
    assert "to make" not in capsys.readouterr().out


def test_a_search_or_an_unreadable_sweep_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "search.json").write_text("{}")
    with pytest.raises(InputError, match=r"mine holds a search .search.json.: give another name="):
        read_earlier(tmp_path / "mine")
    (tmp_path / "mine" / "search.json").unlink()
    (tmp_path / "mine" / "sweep.json").write_text('{"schema_version": 9}')
    with pytest.raises(InputError, match=r"schema_version=9: is newer than 1, .*; give another name="):
        read_earlier(tmp_path / "mine")


def test_only_started_jobs_are_kept(tmp_path):
    assert read_earlier(tmp_path) == []
    jobs = (Job("a-1", (), {"x": 1}), Job("b-2", (), {"x": 2}), Job("c-3", (), {"x": 3}))
    Sweep(tmp_path, (), {"x": [1, 2, 3]}, jobs).write()
    JobState("a-1", "finished").write(tmp_path / "a-1")
    JobState("c-3", "failed").write(tmp_path / "c-3")
    assert [job.name for job in read_earlier(tmp_path)] == ["a-1", "c-3"]


def test_jobs_of_the_grid_get_values_on_new_axes():
    """A baseline keeps its values, because they name the job that it is compared with."""
    lines = ("sparsity=0.5", "seed=3", "weight_bits=8")
    jobs = [Job("a-1", lines, {"sparsity": 0.5}), Job("r-2", lines, {"sparsity": 0.5}, kind="random")]
    found = add_axes(jobs, ["sparsity", "seed", "model"])
    assert [dict(job.axes) for job in found] == [{"sparsity": 0.5, "seed": 3}, {"sparsity": 0.5}]


def test_values_of_earlier_jobs_come_after_those_of_the_command():
    places = [{"x": 1, "y": "a"}, {"x": 2, "z": None}]
    assert join_axes({"x": [2, 3]}, places) == {"x": [2, 3, 1], "y": ["a"], "z": [None]}
