"""Comparison with Torch-Pruning: the same numbers of channels, and the same channels if importance is the same."""

import copy
import warnings

import pytest
import torch
import torch_pruning
from contract_net import randomize_batch_norm_
from torch import nn

from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.compaction import compact
from compression.pruning.criteria.channel_norm import ChannelNorm
from compression.pruning.granularities.channels import Channels
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.strategy import Strategy, find_units

EXAMPLE = torch.zeros(1, 3, 32, 32)


def make_chain(num_classes):
    """Return a small VGG with channel counts that are multiples of 16."""
    layers, num_inputs = [], 3
    for width in (16, 32, 64):
        layers += [nn.Conv2d(num_inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        num_inputs = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 48), nn.ReLU(), nn.Linear(48, num_classes))


def prune_here(model, *, p, round_to):
    strategy = Strategy(
        criterion=ChannelNorm(p=p),
        units=find_units(
            Channels(round_to=round_to, normalize=False), model, example=EXAMPLE, amount=0.5, target="channels"
        ),
        allocation=Uniform(),
        schedule=OneShot(),
        amount=0.5,
        seed=0,
        example=EXAMPLE,
    )
    masks = strategy.masks_at(1, model, masks=strategy.units.dense_masks())
    MaskSet(masks).mask_weights_(model)
    return compact(model, EXAMPLE, round_to=round_to).model


def prune_there(model, *, p, round_to, head):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner = torch_pruning.pruner.BasePruner(
            model,
            EXAMPLE,
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=p, group_reduction="first", normalizer=None),
            pruning_ratio=0.5,
            round_to=round_to,
            ignored_layers=[model.get_submodule(head)],
        )
        pruner.step()
    return model


def both(make_model, head, *, p=2, round_to=8):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make_model(num_classes=10).eval()
    randomize_batch_norm_(model, make_generator(0))
    mine = prune_here(copy.deepcopy(model), p=p, round_to=round_to)
    return mine, prune_there(model, p=p, round_to=round_to, head=head)


@pytest.mark.parametrize(
    ("make_model", "head", "round_to"),
    # MobileNetV2 uses 4, because half of 24 channels is not a multiple of 8: Torch-Pruning would keep 8, we keep 16.
    [(resnet18, "fc", 8), pytest.param(mobilenet_v2, "classifier.1", 4, marks=pytest.mark.slow), (make_chain, "14", 8)],
    ids=["resnet18", "mobilenet_v2", "chain"],
)
def test_every_layer_keeps_the_same_number_of_channels(make_model, head, round_to):
    mine, theirs = both(make_model, head, round_to=round_to)
    assert {name: weight.shape for name, weight in prunable_weights(mine).items()} == {
        name: weight.shape for name, weight in prunable_weights(theirs).items()
    }
    assert {name: value.shape for name, value in mine.state_dict().items()} == {
        name: value.shape for name, value in theirs.state_dict().items()
    }


@pytest.mark.parametrize("p", [1, 2])
def test_a_chain_keeps_the_same_channels(p):
    """In a plain chain, both rank a channel by the norm of its filter."""
    mine, theirs = both(make_chain, "14", p=p)
    assert mine[0].out_channels == 8
    for name, value in theirs.state_dict().items():
        assert torch.equal(mine.state_dict()[name], value)


def test_the_blocks_of_resnet18_keep_the_same_inner_channels():
    """Outside of the blocks, channels are sums, and the two libraries measure them differently."""
    mine, theirs = both(resnet18, "fc")
    inner = [name for name in prunable_weights(mine) if name.startswith("layer") and name.endswith("conv1.weight")]
    assert len(inner) == 8
    for name in inner:
        norm = name.replace("conv1", "bn1")
        assert torch.equal(mine.get_parameter(norm), theirs.get_parameter(norm))
