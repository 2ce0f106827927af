"""Sweeps in a folder that holds jobs of earlier commands."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sweep_folders import make_metrics

from compression.config.compose import compose_job
from compression.core.errors import InputError
from compression.sweep import job_configs
from compression.sweep.baselines import second_round
from compression.sweep.baselines.second_round import run_second_round
from compression.sweep.jobs import Job, JobState, Sweep, read_sweep
from compression.sweep.prepare import name_folder
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records


def finish(sweep, *, status="finished"):
    """Write the files of the finished or failed jobs of the sweep's last command."""
    for job in sweep.own:
        JobState(job.name, status).write(sweep.folder / job.name)
        if status == "finished":
            (sweep.folder / job.name / "metrics.json").write_text(json.dumps(make_metrics()))


def names(jobs):
    return [job.name.rpartition("-")[0] for job in jobs]


def test_another_grid_of_the_same_name_adds_to_the_sweep(start, capsys):
    first = start("sparsity=0.5,0.9", "weight_bits=6,8")
    finish(first)
    again = start("sparsity=0.5,0.7", "weight_bits=8")
    assert names(again.jobs) == ["s50_w8", "s70_w8", "s50_w6", "s90_w6", "s90_w8"]
    assert [job.kept for job in again.jobs] == [False, False, True, True, True]
    assert again.jobs[0].name == first.jobs[1].name, "found in its folder"
    assert again.axes == {"sparsity": [0.5, 0.7, 0.9], "weight_bits": [8, 6]}
    assert [job.axes for job in again.own] == [{"sparsity": 0.5, "weight_bits": 8}, {"sparsity": 0.7, "weight_bits": 8}]
    assert "3 jobs of earlier commands stay in the report" in capsys.readouterr().out
    assert read_sweep(again.folder) == again
    assert len(read_records(again.folder).finished) == 4
    # A third command keeps the jobs of both, also on an axis that the first one did not have.
    third = start("sparsity=0.5", "weight_bits=8", "strategy=oneshot_random,oneshot_l1")
    assert names(third.own) == ["oneshot_random_s50_w8", "s50_w8"]
    assert all(job.kept for job in third.jobs[2:])
    # The job at 0.7 never started.
    assert names(third.jobs[2:]) == ["s50_w6", "s90_w6", "s90_w8"]
    assert third.axes == {"strategy": ["oneshot_random", "oneshot_l1"], "sparsity": [0.5, 0.9], "weight_bits": [8, 6]}
    assert all(job.axes["strategy"] == "oneshot_l1" for job in third.jobs[1:])


def test_commands_that_differ_in_a_setting_of_one_value_make_different_configurations(start):
    finish(start("seed=1,2", "training.epochs=1", "baselines=true"))
    finish(start("seed=3,4", "training.epochs=2", "baselines=true"))
    again = start("seed=5,6", "training.epochs=2")
    finish(again)
    sweep = read_records(again.folder)
    assert sweep.axes["training.epochs"] == (2, 1)
    found = rank_sweep(sweep).configurations
    assert {one.label: one.num_jobs for one in found} == {
        "epochs=2": 4,
        "epochs=1": 2,
        "random pruning epochs=2": 2,
        "random pruning epochs=1": 2,
    }


def test_baselines_stay_if_the_next_command_has_none(start, monkeypatch):
    first = start("sparsity=0.5,0.9", "baselines=true")
    dense = Job("small_dense_width0.5-d1d1d1", (), {"sparsity": 0.5, "width_mult": 0.5}, kind="small_dense")
    first = Sweep(first.folder, first.command, first.axes, (*first.jobs, dense))
    first.write()
    finish(first)
    again = start("sparsity=0.5,0.9")
    assert [(job.kind, job.kept) for job in again.jobs] == [
        *[("grid", False)] * 2,
        *[("random", True)] * 2,
        ("small_dense", True),
    ]
    assert again.axes == first.axes
    again = start("sparsity=0.5", "baselines=true")
    assert [(job.kind, job.kept) for job in again.jobs] == [
        ("grid", False),
        ("random", False),
        ("grid", True),
        ("random", True),
        ("small_dense", True),
    ]
    # The second round includes it in the command again. Kept jobs do not run.
    ran = []
    monkeypatch.setattr(second_round, "make_small_dense", lambda _: [dense])
    done = run_second_round(again, lambda sweep, number: ran.append(sweep.jobs[number].name))
    assert ran == [again.jobs[1].name, dense.name]
    assert [(job.kind, job.kept) for job in done.jobs[2:]] == [("small_dense", False), ("grid", True), ("random", True)]
    assert read_sweep(done.folder) == done


@pytest.fixture
def alike(monkeypatch):
    """Identities that all begin with the same six digits, as those of two jobs among a thousand do by chance."""
    real = job_configs.identify
    monkeypatch.setattr(job_configs, "identify", lambda root: f"abcdef{real(root)[6:]}")


@pytest.mark.usefixtures("alike")
def test_different_jobs_with_one_digest_all_run(start):
    first = start("sparsity=0.5,0.9")
    assert [len(job.digest) for job in first.jobs] == [6, 12]
    assert [job.identity.startswith(job.digest) for job in first.jobs] == [True, True]
    finish(first)
    # Another command finds its job under the longer name, and gives a new job another one.
    again = start("sparsity=0.9,0.7")
    assert names(again.jobs) == ["s90", "s70", "s50"]
    assert again.jobs[0].name == first.jobs[1].name
    assert len({job.digest for job in again.jobs}) == 3
    assert [job.kept for job in again.jobs] == [False, False, True]
    with pytest.raises(InputError, match=r"sparsity=0\.5 and sparsity=0.5 are the same one"):
        start("sparsity=0.5,0.50")


@pytest.mark.usefixtures("alike")
def test_jobs_of_an_earlier_version_are_told_apart_by_their_commands(start):
    first = start("sparsity=0.5,0.9")
    jobs = tuple(replace(job, identity="") for job in first.jobs[:1])
    Sweep(first.folder, first.command, first.axes, jobs).write()
    finish(read_sweep(first.folder))
    again = start("sparsity=0.5,0.9", "overwrite=true")
    assert [job.name for job in again.jobs] == [job.name for job in first.jobs]
    other = start("sparsity=0.7")
    assert (names(other.jobs), [job.kept for job in other.jobs]) == (["s70", "s50"], [False, True])
    assert other.jobs[1].name == first.jobs[0].name


@pytest.mark.usefixtures("alike")
def test_a_baseline_with_the_digest_of_another_job_runs_too(start):
    sweep = start("sparsity=0.5", "baselines=true")
    assert [(job.kind, len(job.digest)) for job in sweep.jobs] == [("grid", 6), ("random", 12)]


def test_all_jobs_search_the_configuration_folders_of_the_command(start, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 7\n")
    sweep = start(f"hydra.searchpath=['{tmp_path}']", "experiment=mine", "sparsity=0.5,0.7", "baselines=true")
    assert [job.kind for job in sweep.jobs] == ["grid", "grid", "random", "random"]
    assert {job.overrides[0] for job in sweep.jobs} == {f"hydra.searchpath=['file://{tmp_path}']"}
    assert all(compose_job(job.overrides)[0].seed == 7 for job in sweep.jobs)


def test_a_long_name_keeps_its_digest():
    choices = {"data": "digits", "model": "vgg11"}
    master = SimpleNamespace(hydra=SimpleNamespace(runtime=SimpleNamespace(choices=choices)))
    axes = {f"model.{letter * 40}": [1, 2] for letter in "xyz"}
    a, b = (name_folder(SimpleNamespace(name=None), master, axes, [job]) for job in ("one", "other"))
    assert a[:-6] == b[:-6]
    assert a != b
    assert len(a) == len(b) == 120
