"""Channels are gone for good: the network is smaller, computes what the masked one does, and can be trained on."""

import json

import pytest
import torch
import yaml
from runs import WIDE, run_here
from safetensors.torch import load_file
from tiny_net import TinyNet

import compression
from compression.core.counting import count_macs, count_parameters
from compression.core.masks import MaskSet
from compression.core.widths import fit_widths_
from compression.data.digits import Digits

STRUCTURED = ["oneshot_structured_l2", "iterative_structured_l1", "slimming", "taylor", "layerwise_structured_l1"]
ONCE = "strategy=oneshot_structured_l2"
SHAPES = ("features.0.weight", "features.3.weight", "classifier.weight")


def masked_network(made):
    """Return the network as pruned: every channel there, the removed ones zero."""
    net = TinyNet(num_classes=10, width=32)
    net.load_state_dict(load_file(made.path / "model.safetensors"))
    return net.eval()


def compacted_network(made):
    """Return the network without them."""
    net, state = TinyNet(num_classes=10, width=32), load_file(made.path / "model.safetensors")
    fit_widths_(net, {name: value.shape for name, value in state.items()}).load_state_dict(state)
    return net.eval()


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def test_images():
    digits = Digits().load(42)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (digits.mean, digits.std))
    return (digits.test.images.float() / 255 - mean) / std


@pytest.mark.parametrize("strategy", STRUCTURED)
def test_half_the_channels_are_gone(make, finished, strategy):
    steps = "" if strategy == "oneshot_structured_l2" else "strategy.schedule.steps=2"
    made = make("compact", f"strategy={strategy} {steps}")
    [pruned] = finished("prune")
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


def test_masked_and_compacted_network_agree_on_test_images(make, finished, test_images):
    small = compacted_network(make("compact", ONCE))
    with torch.no_grad():
        expected, actual = masked_network(finished("prune")[0])(test_images), small(test_images)
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert torch.equal(actual.argmax(1), expected.argmax(1))


def test_the_file_holds_the_smaller_network_as_it_was_finetuned(outputs, finished):
    command = (ONCE, "strategy.finetune.epochs=1", "runtime.engines=[eager]", "storage.fold_bn=false")
    run_here(*WIDE, *command, run_dir=outputs / "run", output_dir=outputs)
    metrics = json.loads((outputs / "run" / "metrics.json").read_text())
    dense, compressed = metrics["dense"], metrics["compressed"]
    small = compression.load(outputs / "run" / "model.cmp", allow=["tiny_net"])
    [pruned], [compacted], [tuned] = (finished(stage) for stage in ("prune", "compact", "finetune"))
    assert same(small.state_dict(), load_file(tuned.path / "model.safetensors"))
    assert [count_parameters(small), count_macs(small, 32)] == [compressed["parameters"], compressed["macs"]]
    assert compacted.results["parameters"] == [dense["parameters"], compressed["parameters"]]
    assert compressed["parameters"] < dense["parameters"] / 2
    assert compressed["macs"] < dense["macs"] / 2
    # What is gone counts as pruned.
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


@pytest.mark.parametrize("settings", ["", "strategy.granularity.round_to=1 sparsity=0.52"])
def test_the_file_of_a_step_has_the_channels_that_the_step_left(make, finished, settings):
    made = make("compact", f"{ONCE} strategy.recovery.epochs=0 {settings}")
    [pruned] = finished("prune")
    step = compression.load(pruned.path / "steps" / "01.cmp", allow=["tiny_net"])
    assert same(step.state_dict(), load_file(made.path / "model.safetensors"))


@pytest.mark.parametrize("target", ["params", "macs"])
def test_half_of_what_is_asked_for_is_gone(make, target):
    made = make("compact", f"{ONCE} strategy.target={target}")
    before, after = made.results["parameters" if target == "params" else "macs"]
    assert after <= before / 2
    # The next multiples of eight would be too many.
    assert after > before / 4


def test_what_is_protected_stays(make):
    made = make("compact", f"{ONCE} strategy.protect=[first] sparsity=0.4")
    assert list(made.results["channels"]) == ["features.3"]


def test_not_compacting_leaves_the_network_masked(outputs, finished):
    run_here(*WIDE, ONCE, "strategy.compact=false", "until=finetune", run_dir=outputs / "run", output_dir=outputs)
    assert finished("compact") == finished("finetune") == []
    [pruned] = finished("prune")
    step = compression.load(pruned.path / "steps" / "01.cmp", allow=["tiny_net"])
    assert step.features[0].weight.shape == (32, 3, 3, 3)


def test_finetuning_trains_the_smaller_network_on(make, finished):
    made = make("finetune", f"{ONCE} strategy.finetune.epochs=2")
    [compacted] = finished("compact")
    before, after = (load_file(found.path / "model.safetensors") for found in (compacted, made))
    assert {name: value.shape for name, value in before.items()} == {name: v.shape for name, v in after.items()}
    assert all(not torch.equal(before[name], after[name]) for name in SHAPES)
    assert [row["epoch"] for row in made.results["history"]] == [1, 2]
    assert made.results["val_accuracy"] == max(row["val/accuracy"] for row in made.results["history"])


def test_single_weights_that_empty_no_channel_leave_the_network_as_it_is(make):
    made = make("compact", "strategy=oneshot_l1 sparsity=0.1 strategy.recovery.epochs=0")
    assert made.results == {"compacted": False, "channels": {}, "reason": "no channel is without a reader"}


def test_single_weights_that_empty_channels_take_them_along(make, finished):
    floor = "strategy.allocation.floor=0"
    made = make("compact", f"strategy=oneshot_l1 sparsity=0.99 {floor} strategy.recovery.epochs=0")
    assert made.results["compacted"]
    assert all(new % 8 == 0 for _, new in made.results["channels"].values())
    assert made.results["difference"] <= 1e-5
    assert finished("prune")[0].results["sparsity"] == pytest.approx(0.99, abs=1e-4)


def test_files_of_steps_are_those_of_this_command_not_of_one_before(make):
    compacted = make("prune", f"{ONCE} strategy.recovery.epochs=0")
    masked = make("prune", f"{ONCE} strategy.recovery.epochs=0 strategy.compact=false")
    files = [made.path / "steps" / "01.cmp" for made in (compacted, masked)]
    widths = [compression.load(file, allow=["tiny_net"]).features[0].out_channels for file in files]
    assert widths == [16, 32]
    assert (masked.path / "masks.safetensors").read_bytes() == (compacted.path / "masks.safetensors").read_bytes()
