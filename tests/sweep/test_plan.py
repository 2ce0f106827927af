"""What a plan says before anything runs: stages to make, stages on disk, and what those that are like them took."""

import json
from pathlib import Path

from runs import TINY, compose_config, train

from compression.store import StageKey, StageRecord
from compression.sweep.plan import StagePlan, describe_run, format_plan, plan_sweep


def stage(stage: str, folder: Path, **inputs: object) -> StageRecord:
    """A stage that is not made yet."""
    key = StageKey(stage, 1, inputs)
    return StageRecord(key, folder / key.name, {}, 0.0, reused=False, made_with={}, planned=True)


def past(store: Path, record: StageRecord, *, seconds: float, num_bytes: int) -> None:
    """A stage that was made, with a file of so many bytes beside its record."""
    folder = store / record.key.name
    folder.mkdir(parents=True)
    key = {"stage": record.key.stage, "inputs": dict(record.key.inputs)}
    text = json.dumps({"key": key, "seconds": seconds})
    (folder / "stage.json").write_text(text)
    (folder / "weights").write_bytes(bytes(num_bytes - len(text)))


def test_what_jobs_share_counts_once_and_the_most_similar_stage_is_the_estimate(tmp_path):
    past(tmp_path, stage("prune", tmp_path, model="a", sparsity=0.5), seconds=10.0, num_bytes=1000)
    past(tmp_path, stage("prune", tmp_path, model="b", sparsity=0.7), seconds=70.0, num_bytes=7000)
    dense = stage("dense", tmp_path, model="a")
    jobs = [{"dense": dense, "prune": stage("prune", tmp_path, model="a", sparsity=value)} for value in (0.8, 0.9)]
    assert plan_sweep(jobs, store=tmp_path) == [
        StagePlan("dense", to_make=1, found=0, seconds=None, num_bytes=None),
        StagePlan("prune", to_make=2, found=0, seconds=20.0, num_bytes=2000),
    ]


def test_nothing_known_is_no_zero():
    text = format_plan([StagePlan("dense", 1, 0, None, None)], num_jobs=1, workers=2)
    assert text.splitlines()[0] == "1 job"
    assert text.splitlines()[-3].split() == ["all", "1", "0", "?", "?"]


def test_a_single_run_is_planned_with_the_export_of_its_dense_model(tmp_path):
    text = describe_run(compose_config(*TINY, "sparsity=0.5", f"output_dir={tmp_path}"))
    counts = {words[0]: words[1:3] for words in map(str.split, text.splitlines()) if len(words) == 5}
    assert counts["export"] == ["2", "0"]
    assert counts["dense"] == ["1", "0"]
    assert not (tmp_path / "store").exists()


def test_baselines_without_a_sweep_are_refused(tmp_path):
    code, output = train("baselines=true", f"output_dir={tmp_path}")
    assert code == 1
    assert output == (
        "error: baselines=true: they run beside the jobs of a sweep; give -m as well, or leave it false\n"
    )
