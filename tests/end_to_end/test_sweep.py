"""Complete sweeps by the command line, on a network that trains in seconds: shared stages, failures, plans."""

import json
from pathlib import Path

import pytest
from finished_sweep import GRID, SMALL
from runs import lasting, train

import compression
from compression.artifact import read_contents
from compression.core.counting import model_sparsity
from compression.sweep.jobs import FAILED, FINISHED, read_state, read_sweep
from compression.sweep.pruned_models import leave_pruned_models


def stages(outputs: Path) -> dict[str, int]:
    """Return the number of finished stages of each kind."""
    counts: dict[str, int] = {}
    for path in (outputs / "store").glob("*/stage.json"):
        kind = path.parent.name.partition("-")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def published(outputs: Path) -> dict[str, float]:
    """Return the recorded seconds of every finished stage. A stage that is made again has other seconds."""
    return {path.parent.name: json.loads(path.read_text())["seconds"] for path in outputs.glob("store/*/stage.json")}


def test_jobs_share_their_stages(finished_sweep: Path) -> None:
    counts = stages(finished_sweep)
    assert {kind: counts[kind] for kind in ("dense", "prune", "quantize", "evaluate")} == {
        "dense": 1,
        "prune": 2,
        "quantize": 4,
        "evaluate": 4,
    }


def test_every_job_has_its_own_name_axes_and_results(finished_sweep: Path) -> None:
    sweep = read_sweep(finished_sweep / "sweep")
    assert sweep.axes == {"sparsity": [0.5, 0.7], "weight_bits": [6, 8]}
    assert [job.name.rpartition("-")[0] for job in sweep.jobs] == ["s50_w6", "s50_w8", "s70_w6", "s70_w8"]
    for job in sweep.jobs:
        state = read_state(sweep.folder / job.name)
        assert (state.status, state.attempts) == (FINISHED, 1)
        metrics = json.loads((sweep.folder / job.name / "metrics.json").read_text())
        assert metrics["run"]["target_sparsity"] == job.axes["sparsity"]
        assert metrics["run"]["weight_bits"] == job.axes["weight_bits"]


def test_a_single_run_gives_the_same_numbers_as_its_job(finished_sweep: Path, tmp_path: Path) -> None:
    sweep = read_sweep(finished_sweep / "sweep")
    code, output = train(*SMALL, "sparsity=0.7", "weight_bits=6", f"output_dir={tmp_path}", "name=alone")
    assert code == 0, output
    alone, there = (
        lasting(tmp_path / "alone" / "metrics.json"),
        lasting(sweep.folder / sweep.jobs[2].name / "metrics.json"),
    )
    assert alone | {"run": alone["run"] | {"name": None}} == there | {"run": there["run"] | {"name": None}}


def test_the_same_sweep_again_runs_nothing_and_a_wider_plan_counts_new_stages(finished_sweep: Path) -> None:
    before = published(finished_sweep)
    code, output = train("-m", *SMALL, *GRID, f"output_dir={finished_sweep}", "name=sweep")
    assert code == 0, output
    assert published(finished_sweep) == before
    assert all(
        read_state(finished_sweep / "sweep" / job.name).attempts == 1
        for job in read_sweep(finished_sweep / "sweep").jobs
    )
    code, output = train(
        "-m", *SMALL, "sparsity=0.5,0.7", "weight_bits=6,8,4", f"output_dir={finished_sweep}", "plan=true"
    )
    assert code == 0, output
    rows = {line.split()[0]: line.split()[1:3] for line in output.splitlines() if line[:1].islower()}
    assert rows["dense"] == ["0", "1"]
    assert rows["prune"] == ["0", "2"]
    assert rows["quantize"] == ["2", "4"]
    assert not list(finished_sweep.glob("sweep-*")), "a plan leaves nothing"


def test_a_sweep_leaves_each_pruned_model(finished_sweep: Path) -> None:
    sweep = read_sweep(finished_sweep / "sweep")
    for name, sparsity in (("pruned_s50", 0.5), ("pruned_s70", 0.7)):
        folder = sweep.folder / name
        assert {"model.cmp", "model.onnx"} <= {path.name for path in folder.iterdir()}
        assert not (folder / "metrics.json").exists()
        model = compression.load(folder / "model.cmp", allow=["tiny_net"])
        assert model_sparsity(model) == pytest.approx(sparsity, abs=1e-3)
        card = read_contents(folder / "model.cmp").card
        assert card.quantization is None
    before = {path: path.stat().st_mtime_ns for path in sweep.folder.glob("pruned_*/model.*")}
    assert leave_pruned_models(sweep) == ["pruned_s50", "pruned_s70"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_pruned_model_that_left_the_store_is_left_out(finished_sweep: Path, tmp_path: Path) -> None:
    """Nothing is trained again."""
    sweep = read_sweep(finished_sweep / "sweep")
    document = json.loads((sweep.folder / "sweep.json").read_text())
    for job in document["jobs"]:
        job["overrides"].append(f"output_dir={tmp_path}")
        (tmp_path / "sweep" / job["name"]).mkdir(parents=True)
        for name in ("job.json", "metrics.json"):
            (tmp_path / "sweep" / job["name"] / name).write_bytes((sweep.folder / job["name"] / name).read_bytes())
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps(document))
    assert leave_pruned_models(read_sweep(tmp_path / "sweep")) == []
    assert not list(tmp_path.glob("sweep/pruned_*"))
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_a_failed_job_does_not_affect_other_jobs(tmp_path: Path) -> None:
    model = ("model=custom", "model._target_=failing_net.FailingNet", "+model.fails=false,true")
    small = [option for option in SMALL if not option.startswith("model")]
    command = (*small, *model, "sparsity=0.5", f"output_dir={tmp_path}", "name=sweep")
    code, output = train("-m", *command, fork_jobs=True)
    assert code == 1, output
    sweep = read_sweep(tmp_path / "sweep")
    good, bad = (read_state(sweep.folder / job.name) for job in sweep.jobs)
    assert good.status == FINISHED
    assert (bad.status, bad.reason) == (FAILED, "RuntimeError: the third step is one too many")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sparsity=0.5,1.5"], "error: job sparsity=1.5: sparsity=1.5: must be in [0, 1), e.g. 0.9"),
        (["hydra/launcher=joblib", "seed=1,2"], "error: hydra.launcher.n_jobs=-1: must be the number of workers"),
        pytest.param(
            ["sparsity=interval(0,1)"],
            "error: sparsity=interval(0,1): allowed: values with commas",
            marks=pytest.mark.slow,
        ),
        pytest.param(["strategy=foo,gmp"], "strategy=foo: must be one of", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_sweep_is_refused_before_any_job_runs(overrides: list[str], message: str, tmp_path: Path) -> None:
    code, output = train("-m", *overrides, f"output_dir={tmp_path}")
    assert code != 0
    assert message in output
    assert not list(tmp_path.iterdir())
