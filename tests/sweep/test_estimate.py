"""What a stage may take, by made-up stages that are like it."""

from pathlib import Path

from planned_stages import dense, past, prune, stage

from compression.stage_store.store import StageRecord
from compression.sweep.estimate import Estimator


def seconds_of(store: Path, *records: StageRecord) -> float | None:
    """Estimate the last of ``records``, which is made from the others."""
    found = Estimator(store, {record.id: record for record in records}).estimate(records[-1])
    return None if found is None else found.seconds


def test_another_model_or_other_images_are_no_estimate(tmp_path):
    past(tmp_path, dense("a"))
    past(tmp_path, prune(dense("a")))
    for other in (dense("b"), dense("a", images="cifar10")):
        assert seconds_of(tmp_path, other) is None
        assert seconds_of(tmp_path, other, prune(other)) is None
    assert seconds_of(tmp_path, dense("a", seed=1)) == 1.0


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


def test_what_cannot_be_read_estimates_nothing(tmp_path):
    past(tmp_path, dense(), seconds=10.0)
    for number, text in enumerate(
        ("{", "[]", '{"key": {}}', '{"key": {"stage": "prune", "inputs": {}}, "seconds": 1}')
    ):
        folder = tmp_path / f"prune-{number:016x}"
        folder.mkdir()
        (folder / "stage.json").write_text(text)
    assert seconds_of(tmp_path, dense(epochs=1)) == 5.0
