"""What a plan says before anything runs: stages to make, stages on disk, and what those that are like them took."""

import json
from dataclasses import asdict
from pathlib import Path

from runs import TINY, compose_config, train

from compression.pipeline import plan_stages
from compression.store import StageKey, StageRecord
from compression.sweep.estimate import Estimator
from compression.sweep.plan import StagePlan, SweepPlan, describe_run, format_plan, plan_sweep

ARITHMETIC = {"threads": 1, "device": "cpu", "precision": "32-true"}


def stage(stage: str, *parents: StageRecord, **inputs: object) -> StageRecord:
    """A stage that is not made yet."""
    key = StageKey(stage, 1, {"arithmetic": ARITHMETIC, **inputs}, tuple(parent.id for parent in parents))
    return StageRecord(key, Path(key.name), {}, 0.0, reused=False, made_with={}, planned=True)


def dense(model: str = "a", *, epochs: int | None = 2, images: str = "digits", **inputs: object) -> StageRecord:
    """Training of a model; without ``epochs`` its weights were given."""
    trained = {} if epochs is None else {"training": {"epochs": epochs}}
    data = {"fingerprint": images, "image_size": 32}
    return stage("dense", data=data, model={"target": model}, **trained, **inputs)


def prune(parent: StageRecord, *, sparsity: float = 0.5, **settings: object) -> StageRecord:
    """Pruning of a model: ``epochs`` after each of ``steps``."""
    epochs, schedule = settings.pop("epochs", 1), {"steps": settings.pop("steps", None)} | settings
    recovery = {"epochs": epochs, "lead_epochs": 0, "spread": None}
    return stage("prune", parent, sparsity=sparsity, strategy={"recovery": recovery, "schedule": schedule})


def past(store: Path, record: StageRecord, *, seconds: float = 1.0, num_bytes: int = 2000) -> None:
    """Have made a stage, with a file of so many bytes beside its record."""
    folder = store / record.key.name
    folder.mkdir(parents=True)
    text = json.dumps({"key": asdict(record.key), "invocation": "before", "results": {}, "seconds": seconds})
    (folder / "stage.json").write_text(text)
    (folder / "weights").write_bytes(bytes(num_bytes - len(text)))


def seconds_of(store: Path, *records: StageRecord) -> float | None:
    """Estimate the last of ``records``, which is made from the others."""
    found = Estimator(store, {record.id: record for record in records}).estimate(records[-1])
    return None if found is None else found.seconds


def test_what_jobs_share_counts_once_and_the_most_similar_stages_are_the_estimate(tmp_path):
    past(tmp_path, dense(epochs=1))
    past(tmp_path, prune(dense(epochs=1), sparsity=0.8), seconds=10.0, num_bytes=1000)
    past(tmp_path, prune(dense(epochs=1), sparsity=0.7), seconds=70.0, num_bytes=7000)
    whole = dense("a", epochs=2)
    jobs = [{"dense": whole, "prune": prune(whole, sparsity=0.8, steps=steps)} for steps in (1, 3)]
    plan = plan_sweep(jobs, store=tmp_path)
    assert plan.rows == [
        StagePlan("dense", to_make=1, found=0, seconds=2.0, num_bytes=2000),
        StagePlan("prune", to_make=2, found=0, seconds=40.0, num_bytes=2000),
    ]
    # The second job waits for the dense model of the first.
    assert plan.longest == 32.0


def test_another_model_or_other_images_are_no_estimate(tmp_path):
    past(tmp_path, dense("a"))
    past(tmp_path, prune(dense("a")))
    for other in (dense("b"), dense("a", images="cifar10")):
        assert seconds_of(tmp_path, other) is None
        assert seconds_of(tmp_path, other, prune(other)) is None
    assert seconds_of(tmp_path, dense("a", seed=1)) == 1.0


def test_a_row_is_known_if_all_of_it_is_and_counts_then_alone(tmp_path):
    past(tmp_path, dense("a"), seconds=70.0)
    past(tmp_path, prune(dense("a")), seconds=10.0)
    known, unknown = dense("a", epochs=1), dense("b", epochs=1)
    plan = plan_sweep([{"dense": known, "prune": prune(known)}, {"dense": unknown}], store=tmp_path)
    assert [row.seconds for row in plan.rows] == [None, 10.0]
    assert plan.longest == 10.0


def test_stages_that_hold_no_model_themselves_are_known_by_what_they_are_made_from(tmp_path):
    for model, seconds in (("a", 10.0), ("b", 70.0)):
        for one in (dense(model), prune(dense(model), sparsity=0.5), prune(dense(model), sparsity=0.9)):
            past(tmp_path, one)
        past(tmp_path, stage("export", prune(dense(model), sparsity=0.5), dense(model)), seconds=seconds)
        past(tmp_path, stage("export", prune(dense(model), sparsity=0.9), dense(model)), seconds=seconds / 2)
    for model, seconds in (("a", 10.0), ("b", 70.0), ("c", None)):
        whole = dense(model, epochs=9)
        pruned = prune(whole, sparsity=0.5)
        assert seconds_of(tmp_path, whole, pruned, stage("export", pruned, whole)) == seconds


def test_seconds_go_with_epochs(tmp_path):
    past(tmp_path, dense(epochs=2), seconds=10.0)
    past(tmp_path, prune(dense(epochs=2)), seconds=10.0)
    past(tmp_path, stage("finetune", dense(epochs=2), finetune={"epochs": 5}), seconds=10.0)
    past(tmp_path, stage("quantize", dense(epochs=2), quantization={"adaround": {"iterations": 100}}), seconds=10.0)
    whole = dense(epochs=200)
    assert seconds_of(tmp_path, whole) == 1000.0
    assert seconds_of(tmp_path, whole, prune(whole, epochs=3, steps=5)) == 150.0
    assert seconds_of(tmp_path, whole, prune(whole, sparsity=0.36, step_fraction=0.2)) == 20.0
    assert seconds_of(tmp_path, whole, stage("finetune", whole, finetune={"epochs": 1})) == 2.0
    learned = stage("quantize", whole, quantization={"adaround": {"iterations": 1000}})
    assert seconds_of(tmp_path, whole, learned) == 100.0
    # What does not train is another thing.
    assert seconds_of(tmp_path, dense(epochs=None)) is None
    assert seconds_of(tmp_path, whole, prune(whole, epochs=0)) is None
    assert seconds_of(tmp_path, whole, stage("quantize", whole, quantization={})) is None


def test_other_threads_are_better_than_nothing_and_said(tmp_path):
    two = {**ARITHMETIC, "threads": 2}
    past(tmp_path, dense(epochs=2, arithmetic=two), seconds=10.0)
    plan = plan_sweep([{"dense": dense(epochs=4)}], store=tmp_path)
    assert plan.rows == [StagePlan("dense", to_make=1, found=0, seconds=20.0, num_bytes=2000, elsewhere=True)]
    text = format_plan(plan, num_jobs=1, workers=1)
    assert text.endswith("These times are of another number of threads, device or precision: dense.")
    past(tmp_path, dense(epochs=3, seed=1), seconds=30.0)
    assert plan_sweep([{"dense": dense(epochs=4)}], store=tmp_path).rows[0].seconds == 40.0


def test_what_cannot_be_read_estimates_nothing(tmp_path):
    past(tmp_path, dense(), seconds=10.0)
    for number, text in enumerate(
        ("{", "[]", '{"key": {}}', '{"key": {"stage": "prune", "inputs": {}}, "seconds": 1}')
    ):
        folder = tmp_path / f"prune-{number:016x}"
        folder.mkdir()
        (folder / "stage.json").write_text(text)
    assert seconds_of(tmp_path, dense(epochs=1)) == 5.0


def test_keys_of_a_run_are_read_as_the_stages_write_them(tmp_path):
    def plan(*overrides: str) -> dict[str, StageRecord]:
        config = compose_config(*TINY, "bits=8", f"output_dir={tmp_path}", *overrides)
        return plan_stages(config, run_dir=tmp_path / "run")

    made = plan("sparsity=0.5", "strategy=oneshot_l1")
    for record in {record.id: record for record in made.values()}.values():
        past(tmp_path / "elsewhere", record, num_bytes=40_000)
    wanted = plan("sparsity=0.6", "strategy=iterative_l1", "training.epochs=6")
    rows = {row.stage: row for row in plan_sweep([wanted], store=tmp_path / "elsewhere").rows}
    times = {stage: row.seconds for stage, row in rows.items()}
    assert times == {"dense": 2.0, "prune": 5.0, "compact": 1.0, "quantize": 1.0, "export": 2.0, "evaluate": 1.0}
    assert {row.num_bytes for row in rows.values()} == {40_000, 80_000}


def test_workers_cannot_be_faster_than_the_longest_job():
    plan = SweepPlan([StagePlan("dense", 1, 0, 60.0, 0), StagePlan("prune", 2, 0, 20.0, 0)], longest=70.0)
    assert "With 2 workers at best 70 s." in format_plan(plan, num_jobs=2, workers=2)
    plan = SweepPlan([StagePlan("prune", 9, 1, 80.0, 0)], longest=10.0)
    assert "With 2 workers at best 40 s." in format_plan(plan, num_jobs=9, workers=2)


def test_nothing_known_is_no_zero():
    text = format_plan(SweepPlan([StagePlan("dense", 1, 0, None, None)]), num_jobs=1, workers=2)
    assert text.splitlines()[0] == "1 job"
    assert text.splitlines()[-3].split() == ["all", "1", "0", "?", "?"]
    found = SweepPlan([StagePlan("dense", 0, 1, 0.0, 0), StagePlan("prune", 1, 0, None, None)])
    assert format_plan(found, num_jobs=1, workers=1).splitlines()[-3].split() == ["all", "1", "1", "?", "?"]


def test_what_is_not_in_the_sum_is_named():
    plan = SweepPlan([StagePlan("dense", 1, 0, 5.0, 2**20), StagePlan("prune", 1, 0, None, None)], longest=5.0)
    text = format_plan(plan, num_jobs=1, workers=1)
    assert "all                 2        0        5 s    1.0 MiB" in text
    assert text.splitlines()[-1].startswith("Not in the sum, ")
    assert text.endswith(": prune.")


def test_with_nothing_to_make_nothing_is_remarked():
    text = format_plan(SweepPlan([StagePlan("dense", 0, 1, 0.0, 0)]), num_jobs=1, workers=2)
    assert text.splitlines()[-1].split() == ["all", "0", "1", "0", "s", "0.0", "MiB"]


def test_a_single_run_is_planned_with_the_export_of_its_dense_model(tmp_path):
    counts = count_stages(*TINY, "sparsity=0.5", f"output_dir={tmp_path}")
    assert counts["export"] == ["2", "0"]
    assert counts["dense"] == ["1", "0"]
    assert not (tmp_path / "store").exists()


def test_the_table_that_bits_are_shared_out_by_is_planned(tmp_path):
    budget = "quantization.allocation.max_bytes=2000"
    counts = count_stages(*TINY, "strategy=none", "bits=8", budget, f"output_dir={tmp_path}")
    assert counts["bits"] == ["1", "0"]
    assert counts["quantize"] == ["1", "0"]


def count_stages(*overrides: str) -> dict[str, list[str]]:
    """Return what the plan of a run says is to be made, and what is on disk."""
    text = describe_run(compose_config(*overrides))
    return {words[0]: words[1:3] for words in map(str.split, text.splitlines()) if len(words) == 5}


def test_baselines_without_a_sweep_are_refused(tmp_path):
    code, output = train("baselines=true", f"output_dir={tmp_path}")
    assert code == 1
    assert output == (
        "error: baselines=true: they run beside the jobs of a sweep; give -m as well, or leave it false\n"
    )
    assert not list(tmp_path.iterdir())
