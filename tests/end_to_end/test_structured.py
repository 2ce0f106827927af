"""Removal of channels: the network is smaller, computes the same as the masked network, and can be trained."""

import json

import pytest
import torch
import yaml
from runs import WIDE, run_here
from safetensors.torch import load_file
from tiny_net import TinyNet
from trained_store import same

import compression
from compression.core.counting import count_macs, count_parameters
from compression.core.masks import MaskSet
from compression.core.widths import fit_widths_
from compression.data.digits import Digits

STRUCTURED = ["oneshot_structured_l2"]
OTHERS = ["taylor", "iterative_structured_l1", "slimming", "layerwise_structured_l1"]
ONCE = "strategy=oneshot_structured_l2"
UNTRAINED = ("strategy.recovery.epochs=0", "strategy.compact=false")
SHAPES = ("features.0.weight", "features.3.weight", "classifier.weight")


def masked_network(made):
    """Return the pruned network with all channels; pruned channels are zero."""
    net = TinyNet(num_classes=10, width=32)
    net.load_state_dict(load_file(made.path / "model.safetensors"))
    return net.eval()


def compacted_network(made):
    """Return the network without the pruned channels."""
    net, state = TinyNet(num_classes=10, width=32), load_file(made.path / "model.safetensors")
    fit_widths_(net, {name: value.shape for name, value in state.items()}).load_state_dict(state)
    return net.eval()


@pytest.fixture
def test_images():
    digits = Digits().load(42)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (digits.mean, digits.std))
    return (digits.test.images.float() / 255 - mean) / std


@pytest.mark.parametrize("strategy", [*STRUCTURED, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_half_of_the_channels_are_removed(shared, strategy):
    steps = "" if strategy == "oneshot_structured_l2" else "strategy.schedule.steps=2"
    stages = shared(" ".join(filter(None, (f"strategy={strategy}", steps, "until=compact"))))
    made, pruned = stages["compact"], stages["prune"]
    channels = made.results["channels"]
    assert made.results["compacted"]
    assert sum(new for _, new in channels.values()) <= 48
    assert all(new % 8 == 0 and new < old for old, new in channels.values())
    net, weights = masked_network(pruned), load_file(made.path / "model.safetensors")
    widths = [channels.get(name, (size, size))[1] for name, size in (("features.0", 32), ("features.3", 64))]
    assert [list(weights[name].shape[:2]) for name in SHAPES] == [[widths[0], 3], widths[::-1], [10, widths[1]]]
    assert made.results["parameters"] == [
        count_parameters(net),
        sum(value.numel() for name, value in weights.items() if name in dict(net.named_parameters())),
    ]
    assert made.results["macs"][0] == count_macs(net, 32) > 2 * made.results["macs"][1]
    assert made.results["difference"] <= 1e-5
    assert made.results["val_accuracy"] == pytest.approx(pruned.results["val_accuracy"])
    masks = MaskSet(load_file(pruned.path / "masks.safetensors"))
    assert masks.hold(net.state_dict())
    assert not net.features[1].bias[net.features[1].weight == 0].any()


def test_masked_and_compacted_networks_agree_on_test_images(shared, test_images):
    stages = shared(f"{ONCE} until=compact")
    small = compacted_network(stages["compact"])
    with torch.no_grad():
        expected, actual = masked_network(stages["prune"])(test_images), small(test_images)
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert torch.equal(actual.argmax(1), expected.argmax(1))


def test_the_file_holds_the_finetuned_smaller_network(outputs, finished):
    command = (ONCE, "strategy.finetune.epochs=1", "runtime.engines=[eager]", "storage.fold_bn=false")
    run_here(*WIDE, *command, run_dir=outputs / "run", output_dir=outputs)
    metrics = json.loads((outputs / "run" / "metrics.json").read_text())
    dense, compressed = metrics["dense"], metrics["compressed"]
    small = compression.load(outputs / "run" / "model.cmp", allow=["tiny_net"])
    [pruned], [compacted], [tuned] = (finished(stage) for stage in ("prune", "compact", "finetune"))
    assert same(small.state_dict(), load_file(tuned.path / "model.safetensors"))
    before = compression.load(outputs / "run" / "before_finetune.cmp", allow=["tiny_net"])
    assert same(before.state_dict(), load_file(compacted.path / "model.safetensors"))
    size = (outputs / "run" / "before_finetune.cmp").stat().st_size
    report = (outputs / "run" / "report.md").read_text()
    assert f"| before_finetune.cmp | the pruned model before fine-tuning, FP32 | {size:,} |" in report
    assert [count_parameters(small), count_macs(small, 32)] == [compressed["parameters"], compressed["macs"]]
    assert compacted.results["parameters"] == [dense["parameters"], compressed["parameters"]]
    assert compressed["parameters"] < dense["parameters"] / 2
    assert compressed["macs"] < dense["macs"] / 2
    # Removed weights count as pruned.
    masks = MaskSet(load_file(pruned.path / "masks.safetensors"))
    assert compressed["sparsity"] == pytest.approx(masks.sparsity)
    assert compressed["layer_sparsity"] == pytest.approx(masks.layer_sparsity)
    assert compressed["nonzero_parameters"] == compressed["parameters"]
    assert metrics["run"]["target"] == "channels"
    rows = yaml.safe_load((outputs / "run" / "pruning_history.yaml").read_text())
    assert [(row["step"], row["sparsity"]) for row in rows] == [(0, 0), (1, masks.sparsity)]
    assert rows[0]["bytes"] == dense["bytes"]["artifact"]
    assert rows[0]["accuracy_after"] == finished("dense")[0].results["val_accuracy"]
    assert rows[1].items() >= pruned.results["pruning_history"][0].items()
    # A run without fine-tuning in the same folder leaves no such file.
    run_here(*WIDE, ONCE, "runtime.engines=[eager]", run_dir=outputs / "run", output_dir=outputs)
    assert not (outputs / "run" / "before_finetune.cmp").exists()


def test_the_network_stays_masked_without_compaction(outputs, finished):
    run_here(*WIDE, ONCE, *UNTRAINED, "until=finetune", run_dir=outputs / "run", output_dir=outputs)
    assert finished("compact") == finished("finetune") == []
    [pruned] = finished("prune")
    step = compression.load(pruned.path / "steps" / "01.cmp", allow=["tiny_net"])
    assert step.features[0].weight.shape == (32, 3, 3, 3)
