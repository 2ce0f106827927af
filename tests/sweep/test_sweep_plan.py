"""The plan of a sweep: stages to make, stages on disk, and estimates from similar stages."""

import json
from dataclasses import replace

from planned_stages import ARITHMETIC, add_past_stage, dense, prune
from runs import TINY, compose_config

from compression.run.pipeline import plan_stages
from compression.stage_store.store import StageRecord
from compression.sweep.sweep_plan import StagePlan, SweepPlan, describe_run, format_plan, list_made, plan_sweep


def test_shared_stages_count_once_and_similar_stages_give_the_estimate(tmp_path):
    add_past_stage(tmp_path, dense(epochs=1))
    add_past_stage(tmp_path, prune(dense(epochs=1), sparsity=0.8), seconds=10.0, num_bytes=1000)
    add_past_stage(tmp_path, prune(dense(epochs=1), sparsity=0.7), seconds=70.0, num_bytes=7000)
    trained = dense("a", epochs=2)
    jobs = [{"dense": trained, "prune": prune(trained, sparsity=0.8, steps=steps)} for steps in (1, 3)]
    plan = plan_sweep(jobs, store=tmp_path)
    assert plan.rows == [
        StagePlan("dense", to_make=1, found=0, seconds=2.0, num_bytes=2000),
        StagePlan("prune", to_make=2, found=0, seconds=40.0, num_bytes=2000),
    ]
    # The second job waits for the dense model of the first.
    assert plan.longest == 32.0


def test_a_row_is_known_only_if_all_its_stages_are(tmp_path):
    add_past_stage(tmp_path, dense("a"), seconds=70.0)
    add_past_stage(tmp_path, prune(dense("a")), seconds=10.0)
    known, unknown = dense("a", epochs=1), dense("b", epochs=1)
    plan = plan_sweep([{"dense": known, "prune": prune(known)}, {"dense": unknown}], store=tmp_path)
    assert [row.seconds for row in plan.rows] == [None, 10.0]
    assert plan.longest == 10.0


def test_an_estimate_from_other_threads_is_used_and_marked(tmp_path):
    two = {**ARITHMETIC, "threads": 2}
    add_past_stage(tmp_path, dense(epochs=2, arithmetic=two), seconds=10.0)
    plan = plan_sweep([{"dense": dense(epochs=4)}], store=tmp_path)
    assert plan.rows == [StagePlan("dense", to_make=1, found=0, seconds=20.0, num_bytes=2000, elsewhere=True)]
    text = format_plan(plan, num_jobs=1, workers=1)
    assert text.endswith("These times are of another number of threads, device or precision: dense.")
    add_past_stage(tmp_path, dense(epochs=3, seed=1), seconds=30.0)
    assert plan_sweep([{"dense": dense(epochs=4)}], store=tmp_path).rows[0].seconds == 40.0


def test_the_keys_of_real_stages_give_estimates(tmp_path):
    def plan(*overrides: str) -> dict[str, StageRecord]:
        config = compose_config(*TINY, "bits=8", f"output_dir={tmp_path}", *overrides)
        return plan_stages(config, run_dir=tmp_path / "run")

    made = plan("sparsity=0.5", "strategy=oneshot_l1")
    for record in {record.id: record for record in made.values()}.values():
        add_past_stage(tmp_path / "elsewhere", record, num_bytes=40_000)
    wanted = plan("sparsity=0.6", "strategy=iterative_l1", "training.epochs=6")
    rows = {row.stage: row for row in plan_sweep([wanted], store=tmp_path / "elsewhere").rows}
    times = {stage: row.seconds for stage, row in rows.items()}
    measured = {"evaluate": 1.0, "analyze": 1.0}
    assert times == {"dense": 2.0, "prune": 5.0, "compact": 1.0, "quantize": 1.0, "export": 2.0, **measured}
    assert {row.num_bytes for row in rows.values()} == {40_000, 80_000}


def test_workers_cannot_be_faster_than_the_longest_job():
    plan = SweepPlan([StagePlan("dense", 1, 0, 60.0, 0), StagePlan("prune", 2, 0, 20.0, 0)], longest=70.0)
    assert "With 2 workers at best 70 s." in format_plan(plan, num_jobs=2, workers=2)
    plan = SweepPlan([StagePlan("prune", 9, 1, 80.0, 0)], longest=10.0)
    assert "With 2 workers at best 40 s." in format_plan(plan, num_jobs=9, workers=2)


def test_unknown_times_are_not_shown_as_zero():
    text = format_plan(SweepPlan([StagePlan("dense", 1, 0, None, None)]), num_jobs=1, workers=2)
    assert text.splitlines()[0] == "1 job"
    assert text.splitlines()[-3].split() == ["all", "1", "0", "?", "?"]
    found = SweepPlan([StagePlan("dense", 0, 1, 0.0, 0), StagePlan("prune", 1, 0, None, None)])
    assert format_plan(found, num_jobs=1, workers=1).splitlines()[-3].split() == ["all", "1", "1", "?", "?"]


def test_stages_missing_from_the_sum_are_named():
    plan = SweepPlan([StagePlan("dense", 1, 0, 5.0, 2**20), StagePlan("prune", 1, 0, None, None)], longest=5.0)
    text = format_plan(plan, num_jobs=1, workers=1)
    assert "all                 2        0        5 s    1.0 MiB" in text
    assert text.splitlines()[-1].startswith("Not in the sum, ")
    assert text.endswith(": prune.")


def test_a_plan_without_stages_to_make_has_no_note():
    text = format_plan(SweepPlan([StagePlan("dense", 0, 1, 0.0, 0)]), num_jobs=1, workers=2)
    assert text.splitlines()[-1].split() == ["all", "0", "1", "0", "s", "0.0", "MiB"]


def test_a_single_run_is_planned_with_the_export_of_its_dense_model(tmp_path):
    counts = count_stages(*TINY, "sparsity=0.5", f"output_dir={tmp_path}")
    assert counts["export"] == ["2", "0"]
    assert counts["dense"] == ["1", "0"]
    assert not (tmp_path / "store").exists()


def test_the_table_for_a_bit_budget_is_planned(tmp_path):
    budget = "quantization.allocation.max_bytes=2000"
    counts = count_stages(*TINY, "strategy=none", "bits=8", budget, f"output_dir={tmp_path}")
    assert counts["bits"] == ["1", "0"]
    assert counts["quantize"] == ["1", "0"]


def count_stages(*overrides: str) -> dict[str, list[str]]:
    """Return, by kind of stage, how many the plan of a run makes and how many are on disk."""
    text = describe_run(compose_config(*overrides))
    return {words[0]: words[1:3] for words in map(str.split, text.splitlines()) if len(words) == 5}


def test_a_job_without_its_wanted_analysis_is_not_done(tmp_path):
    finished = replace(dense(), planned=False)
    stages = {"dense": finished, "analyze": finished}
    assert list_made({"dense": finished}, tmp_path) == {"dense": finished.id}
    for failures, made in ((None, {}), ({"dense": {}}, {"dense": finished.id})):
        (tmp_path / "metrics.json").write_text(json.dumps({"failure_modes": failures}))
        assert list_made(stages, tmp_path) == made
    # An earlier run may have left anything.
    (tmp_path / "metrics.json").write_text("[]")
    assert list_made(stages, tmp_path) == {}
