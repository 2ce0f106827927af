"""Estimates of stages from invented finished stages."""

from pathlib import Path

from planned_stages import add_past_stage, dense, prune, stage

from compression.stage_store.store import StageRecord
from compression.sweep.estimate import Estimator


def seconds_of(store: Path, *records: StageRecord) -> float | None:
    """Estimate the last of ``records``, which is made from the others."""
    found = Estimator(store, {record.id: record for record in records}).estimate(records[-1])
    return None if found is None else found.seconds


def test_stages_of_another_model_or_other_images_give_no_estimate(tmp_path):
    add_past_stage(tmp_path, dense("a"))
    add_past_stage(tmp_path, prune(dense("a")))
    for other in (dense("b"), dense("a", images="cifar10")):
        assert seconds_of(tmp_path, other) is None
        assert seconds_of(tmp_path, other, prune(other)) is None
    assert seconds_of(tmp_path, dense("a", seed=1)) == 1.0


def test_an_export_is_compared_by_the_model_of_its_parents(tmp_path):
    for model, seconds in (("a", 10.0), ("b", 70.0)):
        for one in (dense(model), prune(dense(model), sparsity=0.5), prune(dense(model), sparsity=0.9)):
            add_past_stage(tmp_path, one)
        add_past_stage(tmp_path, stage("export", prune(dense(model), sparsity=0.5), dense(model)), seconds=seconds)
        add_past_stage(tmp_path, stage("export", prune(dense(model), sparsity=0.9), dense(model)), seconds=seconds / 2)
    for model, seconds in (("a", 10.0), ("b", 70.0), ("c", None)):
        trained = dense(model, epochs=9)
        pruned = prune(trained, sparsity=0.5)
        assert seconds_of(tmp_path, trained, pruned, stage("export", pruned, trained)) == seconds


def test_seconds_scale_with_epochs(tmp_path):
    add_past_stage(tmp_path, dense(epochs=2), seconds=10.0)
    add_past_stage(tmp_path, prune(dense(epochs=2)), seconds=10.0)
    add_past_stage(tmp_path, stage("finetune", dense(epochs=2), finetune={"epochs": 5}), seconds=10.0)
    add_past_stage(
        tmp_path, stage("quantize", dense(epochs=2), quantization={"adaround": {"iterations": 100}}), seconds=10.0
    )
    trained = dense(epochs=200)
    assert seconds_of(tmp_path, trained) == 1000.0
    assert seconds_of(tmp_path, trained, prune(trained, epochs=3, steps=5)) == 150.0
    assert seconds_of(tmp_path, trained, prune(trained, sparsity=0.36, step_fraction=0.2)) == 20.0
    assert seconds_of(tmp_path, trained, stage("finetune", trained, finetune={"epochs": 1})) == 2.0
    learned = stage("quantize", trained, quantization={"adaround": {"iterations": 1000}})
    assert seconds_of(tmp_path, trained, learned) == 100.0
    # A stage without training is not comparable.
    assert seconds_of(tmp_path, dense(epochs=None)) is None
    assert seconds_of(tmp_path, trained, prune(trained, epochs=0)) is None
    assert seconds_of(tmp_path, trained, stage("quantize", trained, quantization={})) is None


def test_unreadable_records_are_ignored(tmp_path):
    add_past_stage(tmp_path, dense(), seconds=10.0)
    for number, text in enumerate(
        ("{", "[]", '{"key": {}}', '{"key": {"stage": "prune", "inputs": {}}, "seconds": 1}')
    ):
        folder = tmp_path / f"prune-{number:016x}"
        folder.mkdir()
        (folder / "stage.json").write_text(text)
    assert seconds_of(tmp_path, dense(epochs=1)) == 5.0
