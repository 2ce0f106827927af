"""Masks of single weights are those of ``torch.nn.utils.prune``."""

import copy

import pytest
import torch
from contract_net import EXAMPLE, make_net
from torch.nn.utils import prune

from compression.core.selection import prunable_weights
from compression.pruning.allocations.erk import Erk
from compression.pruning.allocations.global_ import Global
from compression.pruning.allocations.lamp import Lamp
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.random import Random
from compression.pruning.granularities.weights import Weights
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.strategy import Strategy, find_units

AMOUNTS = [0.1, 0.33, 0.5, 0.9]


def masks_of(model, allocation, amount, criterion=None, schedule=None):
    units = find_units(Weights(), model, example=EXAMPLE, amount=amount)
    strategy = Strategy(
        criterion=criterion or Magnitude(),
        units=units,
        allocation=allocation,
        schedule=schedule or OneShot(),
        amount=amount,
        seed=0,
        example=EXAMPLE,
    )
    masks = units.dense_masks()
    for step in range(1, strategy.num_steps + 1):
        masks = strategy.masks_at(step, model, masks=masks)
    return masks


def pruned_by_torch(model, method, amount):
    """Return torch's masks by layer. ``amount`` is a fraction of all weights, or a number of weights for each layer."""
    model = copy.deepcopy(model)
    layers = {name: model.get_submodule(name.removesuffix(".weight")) for name in prunable_weights(model)}
    if isinstance(amount, dict):
        for name, layer in layers.items():
            method(layer, "weight", amount=amount[name])
    else:
        prune.global_unstructured([(layer, "weight") for layer in layers.values()], method, amount=amount)
    return {name: layer.weight_mask.bool() for name, layer in layers.items()}


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("steps", [1, 4])
def test_global_magnitude_equals_global_unstructured(amount, steps):
    model = make_net()
    masks = masks_of(model, Global(), amount, schedule=Geometric(steps=steps))
    expected = pruned_by_torch(model, prune.L1Unstructured, amount)
    assert all(torch.equal(masks[name], mask) for name, mask in expected.items())


@pytest.mark.parametrize("amount", AMOUNTS)
@pytest.mark.parametrize("allocation", [Uniform(), Erk(), Lamp(), Global(floor=9)], ids=lambda a: type(a).__name__)
def test_each_layer_equals_l1_unstructured_of_the_same_count(amount, allocation):
    model = make_net()
    masks = masks_of(model, allocation, amount)
    gone = {name: mask.numel() - int(mask.sum()) for name, mask in masks.items()}
    expected = pruned_by_torch(model, prune.l1_unstructured, gone)
    assert all(torch.equal(masks[name], mask) for name, mask in expected.items())


@pytest.mark.parametrize("amount", AMOUNTS)
def test_uniform_counts_are_within_one_weight_of_the_layers_share(amount):
    """Rounding in every layer separately would miss the sparsity of the model."""
    model = make_net()
    masks = masks_of(model, Uniform(), amount)
    for name, sparsity in masks.layer_sparsity.items():
        assert abs(sparsity - amount) * masks[name].numel() <= 1
    total = masks.num_weights
    assert masks.num_kept == total - round(amount * total)


@pytest.mark.parametrize("amount", AMOUNTS)
def test_random_counts_equal_random_unstructured(amount):
    model = make_net()
    with torch.random.fork_rng(devices=[]):
        expected = pruned_by_torch(model, prune.RandomUnstructured, amount)
    masks = masks_of(model, Global(), amount, Random())
    assert masks.num_kept == sum(int(mask.sum()) for mask in expected.values())
    # Random scores give each layer its share by chance, so 5 standard deviations are allowed.
    for mask in masks.values():
        deviation = (amount * (1 - amount) / mask.numel()) ** 0.5
        assert abs(1 - int(mask.sum()) / mask.numel() - amount) <= 5 * deviation
