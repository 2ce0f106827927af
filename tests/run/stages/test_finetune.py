import torch
from safetensors.torch import load_file

ONCE = "strategy=oneshot_structured_l2 strategy.recovery.epochs=0"
SHAPES = ("features.0.weight", "features.3.weight", "classifier.weight")


def test_finetuning_trains_the_compacted_network(shared):
    stages = shared(f"{ONCE} strategy.finetune.epochs=2 until=finetune")
    made, compacted = stages["finetune"], stages["compact"]
    before, after = (load_file(found.path / "model.safetensors") for found in (compacted, made))
    assert {name: value.shape for name, value in before.items()} == {name: v.shape for name, v in after.items()}
    assert all(not torch.equal(before[name], after[name]) for name in SHAPES)
    assert [row["epoch"] for row in made.results["history"]] == [1, 2]
    assert made.results["val_accuracy"] == max(row["val/accuracy"] for row in made.results["history"])
