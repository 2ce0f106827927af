"""Small dense networks of a finished sweep: their widths, their commands, and resuming after a kill."""

import functools
import json
import threading
import time
from dataclasses import replace

import pytest
from machine import THREADS
from runs import start_train

from compression.config.compose import compose_job
from compression.config.sweep_environment import BASELINES
from compression.run.building import size_estimate
from compression.run.building.size_estimate import estimate_network_bytes
from compression.sweep import supervise
from compression.sweep.baselines import second_round
from compression.sweep.baselines.second_round import make_small_dense, run_second_round
from compression.sweep.jobs import Job, JobState, Sweep, read_state, read_sweep

SCALABLE = (
    "model=custom",
    "model._target_=tiny_net.scalable_tiny_net",
    "training.epochs=1",
    "runtime.repeats=2",
    "runtime.warmup=0",
    "runtime.peak_memory=false",
    f"threads={THREADS}",
)


def finished(folder, name, num_bytes, epochs=None, **more):
    (folder / name).mkdir(parents=True, exist_ok=True)
    JobState(name, "finished").write(folder / name)
    (folder / name / "metrics.json").write_text(
        json.dumps({"compressed": {"bytes": {"artifact": num_bytes}}, "run": {"epochs": epochs or {"dense": 1}}} | more)
    )


def make_sweep(folder, *, sizes, lines=SCALABLE, seeds=(0,)):
    jobs = []
    for number, size in enumerate(sizes):
        for seed in seeds:
            overrides = (*lines, "output_dir=nowhere", f"sparsity=0.{number + 1}", f"seed={seed}")
            name = f"j{number}_{seed}-{number}{seed}"
            jobs.append(Job(name, overrides, {"sparsity": 0.1 * (number + 1), "seed": seed}))
            if size is not None:
                finished(folder, name, size + seed)
    sweep = Sweep(folder, (), {}, tuple(jobs))
    sweep.write()
    return sweep


compose = functools.cache(lambda *lines: compose_job(lines))
estimated: dict[str, int] = {}


def estimate_once(config, *, model):
    """Return the bytes of a network's file. All networks here have 8 bits."""
    key = repr(sorted(model.items()))
    if key not in estimated:
        estimated[key] = estimate_network_bytes(config, model=model)
    return estimated[key]


@pytest.fixture(autouse=True)
def once(monkeypatch):
    """Compose and estimate each configuration only once for all tests."""
    monkeypatch.setattr(second_round, "compose_job", lambda lines: compose(*lines))
    monkeypatch.setattr(size_estimate, "estimate_network_bytes", estimate_once)


def measure(width):
    config, _ = compose(*SCALABLE, "strategy=none", "weight_bits=8", "activation_bits=8")
    return estimate_once(config, model={**config.model, "width_mult": width})


def test_a_network_as_large_as_each_file(tmp_path, capsys):
    # 16 and 32 of 64 channels, and a file that is smaller than any network of this kind.
    sizes = [measure(0.25), measure(0.5), 100, None]
    assert sizes[0] < sizes[1] < 64 * 1024
    jobs = make_small_dense(make_sweep(tmp_path, sizes=sizes, seeds=(0, 1)))
    assert [job.kind for job in jobs] == ["small_dense"] * 4
    # The narrowest widths that round to 16 and to 32 channels.
    assert [job.axes["width_mult"] for job in jobs] == [0.194, 0.194, 0.44, 0.44]
    assert [job.axes["seed"] for job in jobs] == [0, 1, 0, 1]
    # All seeds of a network name the same job, so that the report groups them.
    assert [job.axes["matches"] for job in jobs] == ["j0_0-00"] * 2 + ["j1_0-10"] * 2
    assert "++model.width_mult=0.194" in jobs[0].overrides
    assert "strategy=none" in jobs[0].overrides
    assert set(jobs[0].stages) == set(), "nothing of it is finished"
    printed = capsys.readouterr().err
    assert printed.splitlines() == [
        "no small dense network beside j2_0-20 and 1 more: its file is smaller than that of the narrowest network"
    ]


def test_a_small_dense_network_is_trained_as_long_as_its_match(tmp_path):
    sweep = make_sweep(tmp_path, sizes=[measure(0.5)])
    [job] = sweep.jobs
    finished(tmp_path, job.name, measure(0.5), {"dense": 1, "prune": 5, "finetune": 2, "quantize": 3})
    [small] = make_small_dense(sweep)
    assert compose_job(small.overrides)[0].training.epochs == 1 + 5 + 2 + 3
    # Only the student's own training counts, not its teacher's.
    taught = (*SCALABLE, "distillation=logit", "distillation/student=mobilenet_v2", "distillation.epochs=4")
    sweep = make_sweep(tmp_path / "taught", sizes=[10**6], lines=(*taught, "distillation.student.width_mult=0.25"))
    finished(tmp_path / "taught", sweep.jobs[0].name, 10**6, {"dense": 1, "distil": 4, "prune": 5})
    [small] = make_small_dense(sweep)
    assert compose_job(small.overrides)[0].training.epochs == 4 + 5


def test_a_rejected_pruning_step_is_no_training_of_its_match(tmp_path, capsys):
    """Pruning stopped in its third step, so the file has the network of the second."""
    sweep = make_sweep(tmp_path, sizes=[measure(0.5)])
    [job] = sweep.jobs
    steps = [{"step": step, "sparsity": 0.2 * step, "update": 40 * (step - 1)} for step in (1, 2, 3)]
    run = {"epochs": {"dense": 1, "prune": 6}, "stopped": "step 3 lost too much"}
    finished(tmp_path, job.name, measure(0.5), run=run, pruning_history=steps)
    [small] = make_small_dense(sweep)
    assert compose_job(small.overrides)[0].training.epochs == 1 + 4
    finished(tmp_path, job.name, measure(0.5), run=run, pruning_history=[{**step, "update": None} for step in steps])
    assert make_small_dense(sweep) == []
    assert "metrics.json: a pruning_history without updates" in capsys.readouterr().err


def test_seeds_of_one_configuration_share_a_width(tmp_path):
    middle = (measure(0.375) * measure(0.5)) ** 0.5
    sweep = make_sweep(tmp_path, sizes=[0], seeds=(0, 1, 2))
    for job, factor in zip(sweep.jobs, (0.99, 1.01, 1.02), strict=True):
        finished(tmp_path, job.name, round(factor * middle))
    assert {job.axes["width_mult"] for job in make_small_dense(sweep)} == {0.44}


def test_files_of_about_one_size_share_a_network(tmp_path):
    size = measure(0.5)
    jobs = make_small_dense(make_sweep(tmp_path, sizes=[size, round(0.96 * size), round(1.04 * size)]))
    assert len(jobs) == 1


def test_a_job_whose_metrics_are_damaged_is_named(tmp_path, capsys):
    sweep = make_sweep(tmp_path, sizes=[measure(0.5), measure(0.5)])
    damaged = tmp_path / sweep.jobs[0].name / "metrics.json"
    for content, reason in (("{", "not valid JSON"), ('{"run": {}}', "epochs")):
        damaged.write_text(content)
        assert len(make_small_dense(sweep)) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"no small dense network beside {sweep.jobs[0].name}: metrics.json: ")
        assert reason in line


def test_a_model_without_widths_has_no_small_dense_network(tmp_path, capsys):
    lines = ("model._target_=tiny_net.TinyNet", "model=custom", "threads=1")
    assert make_small_dense(make_sweep(tmp_path, sizes=[5000], lines=lines)) == []
    assert "tiny_net.TinyNet takes no width_mult" in capsys.readouterr().err


def test_baselines_run_after_the_grid_and_only_on_request(tmp_path, monkeypatch):
    grid = make_sweep(tmp_path, sizes=[5000])
    random = Job("r-1", (), {}, kind="random")
    sweep = Sweep(tmp_path, (), {}, (*grid.jobs, random))
    dense = [Job(f"d-{number}", (), {}, kind="small_dense") for number in range(3)]
    monkeypatch.setattr(second_round, "make_small_dense", lambda sweep: dense if len(sweep.jobs) == 2 else [])
    monkeypatch.delenv(BASELINES, raising=False)
    ran = []

    def run(sweep, number):
        ran.append(sweep.jobs[number].name)

    assert run_second_round(sweep, run) is sweep
    assert ran == []
    for workers in ("1", "2"):
        ran.clear()
        monkeypatch.setenv(BASELINES, workers)
        done = run_second_round(sweep, run)
        assert ran[0] == "r-1"
        assert sorted(ran[1:]) == ["d-0", "d-1", "d-2"]
        assert read_sweep(tmp_path) == done
        assert [job.kind for job in done.jobs] == ["grid", "random"] + ["small_dense"] * 3


def test_a_sweep_that_is_stopped_ends_its_baselines(tmp_path, monkeypatch):
    monkeypatch.setattr(supervise, "_stopping", threading.Event())
    script = tmp_path / "script.py"
    script.write_text(f"import pathlib, time; pathlib.Path({str(tmp_path / 'began')!r}).touch(); time.sleep(600)")
    jobs = tuple(Job(f"r-{number}", kind="random") for number in range(3))

    def run(sweep, number):
        if number == 0:
            while not (tmp_path / "began").exists():
                time.sleep(0.01)
            raise KeyboardInterrupt
        supervise.run_job(sweep.jobs[number], folder=sweep.folder / sweep.jobs[number].name, script=script)

    monkeypatch.setenv(BASELINES, "2")
    with pytest.raises(KeyboardInterrupt):
        run_second_round(Sweep(tmp_path / "sweep", (), {}, jobs), run)
    state = read_state(tmp_path / "sweep" / "r-1")
    assert (state.status, state.reason) == ("killed", "stopped from the keyboard or with the sweep")
    # No job is left that runs, or that could still start.
    assert read_state(tmp_path / "sweep" / "r-2").status != "running"


def run_sweep(*overrides):
    process = start_train("-m", *overrides, "baselines=true")
    # Six runs, each a minute on a busy machine.
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output
    return output


@pytest.mark.slow
def test_a_sweep_with_baselines(tmp_path):
    command = (
        *SCALABLE,
        "strategy=oneshot_l1",
        "strategy.recovery.min_updates=0",
        "weight_bits=8",
        "activation_bits=8",
        "sparsity=0.5,0.9",
        "name=mine",
        f"output_dir={tmp_path}",
    )
    output = run_sweep(*command, "plan=true")
    assert "4 jobs" in output
    assert "2 of the jobs are random pruning. After them at most 2 small dense networks" in output
    run_sweep(*command)
    folder = tmp_path / "mine"
    jobs = read_sweep(folder).jobs
    assert [job.kind for job in jobs] == ["grid"] * 2 + ["random"] * 2 + ["small_dense"] * 2
    metrics = [json.loads((folder / job.name / "metrics.json").read_text()) for job in jobs]
    size = [one["compressed"]["bytes"]["artifact"] for one in metrics]
    # From the history: compaction removes more where random pruning emptied a channel.
    pruned = [round(one["pruning_history"][-1]["sparsity"], 2) for one in metrics[:4]]
    assert pruned == [0.5, 0.9, 0.5, 0.9]
    # Two neighbouring widths differ by eight of at most 64 channels.
    for job, num_bytes in zip(jobs[4:], size[4:], strict=True):
        matched = size[[other.name for other in jobs].index(job.axes["matches"])]
        assert 0.75 < num_bytes / matched < 1.33
        assert measure(job.axes["width_mult"]) == pytest.approx(num_bytes, rel=0.1)
    # Run again, as after a kill: only the unfinished job runs.
    states = {job.name: read_state(folder / job.name) for job in jobs}
    lost = jobs[-1].name
    (folder / lost / "job.json").unlink()
    run_sweep(*command)
    # The stages of a job are only known once they are on disk.
    assert [replace(job, stages={}) for job in read_sweep(folder).jobs] == [replace(job, stages={}) for job in jobs]
    again = {job.name: read_state(folder / job.name) for job in jobs}
    assert {name for name in again if again[name] != states[name]} == {lost}
