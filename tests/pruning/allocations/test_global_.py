"""Global magnitude pruning, against torch."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from compression.core.selection import prunable_weights
from compression.pruning.allocations.global_ import Global, global_num_kept
from compression.pruning.ranking import lowest

SPARSITIES = [0.1, 0.3, 0.5, 0.7, 0.9, 0.95]


def masks_of(scores, sparsity):
    total = sum(score.numel() for score in scores.values())
    num_kept = total - round(sparsity * total)
    kept = Global()(scores, num_kept, final=num_kept)
    return {name: ~lowest(s.flatten(), s.numel() - kept[name]).view(s.shape) for name, s in scores.items()}


def make_convnet():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3), nn.Conv2d(16, 16, 3, groups=16), nn.Linear(16, 10)
    )
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in prunable_weights(net).values():
            # One scale for all layers: torch would empty a layer of smaller weights, which a floor forbids here.
            weight.normal_(generator=generator)
    return net


def test_literals():
    scores = {"a": torch.arange(8.0).view(1, 8), "b": torch.arange(8.0, 16.0).view(1, 8)}
    assert global_num_kept(scores, num_kept=12, floor=0) == {"a": 4, "b": 8}
    # All of "a" is lower than "b", but a layer keeps one weight at least.
    assert global_num_kept(scores, num_kept=8, floor=0) == {"a": 1, "b": 7}
    assert global_num_kept(scores, num_kept=8, floor=2) == {"a": 2, "b": 6}


def test_scores_that_differ_in_double_precision_only():
    scores = {name: 1 + 1e-12 * torch.tensor(v).double() for name, v in {"a": [1, 3, 0], "b": [2, 4]}.items()}
    assert global_num_kept(scores, num_kept=3, floor=0) == {"a": 1, "b": 2}
    assert global_num_kept(scores, num_kept=4, floor=0) == {"a": 2, "b": 2}


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_masks_equal_those_of_torch(sparsity):
    net, reference = make_convnet(), make_convnet()
    layers = [module for module in reference if hasattr(module, "weight") and not isinstance(module, nn.BatchNorm2d)]
    prune.global_unstructured([(layer, "weight") for layer in layers], prune.L1Unstructured, amount=sparsity)
    masks = masks_of({name: weight.detach().abs() for name, weight in prunable_weights(net).items()}, sparsity)
    assert len(masks) == len(layers) == 4
    for mask, layer in zip(masks.values(), layers, strict=True):
        assert torch.equal(mask, layer.weight_mask.bool())


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_counts_equal_those_of_torch_where_most_weights_are_zero(sparsity):
    net, reference = make_convnet(), make_convnet()
    for model in (net, reference):
        with torch.no_grad():
            for weight in prunable_weights(model).values():
                weight.masked_fill_(weight.abs() < weight.abs().flatten().kthvalue(weight.numel() * 3 // 5).values, 0)
    parts = [(reference[k], "weight") for k in (0, 2, 3, 4)]
    prune.global_unstructured(parts, prune.L1Unstructured, amount=sparsity)
    scores = {name: weight.detach().abs() for name, weight in prunable_weights(net).items()}
    masks = masks_of(scores, sparsity)
    total = sum(mask.numel() for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    assert kept == sum(int(layer.weight_mask.sum()) for layer, _ in parts) == total - round(sparsity * total)
    # Which zeros go is open; that a weight which is not zero goes only after all zeros is not.
    for (name, mask), (layer, _) in zip(masks.items(), parts, strict=True):
        assert torch.equal(mask & (scores[name] > 0), layer.weight_mask.bool() & (scores[name] > 0))


def test_the_highest_scores_are_kept():
    generator = torch.Generator().manual_seed(0)
    scores = {name: torch.rand(shape, generator=generator) for name, shape in {"a": (6, 20), "b": (4, 30)}.items()}
    everything = torch.cat([score.flatten() for score in scores.values()])
    threshold = everything.kthvalue(round(0.8 * everything.numel())).values
    for name, mask in masks_of(scores, 0.8).items():
        assert torch.equal(mask, scores[name] > threshold)


def test_a_floor_saves_a_layer_from_collapse():
    scores = {"small": torch.rand(10, 30) * 1e-3, "large": 1 + torch.rand(10, 100)}
    assert Global()(scores, 130, final=130)["small"] == 1
    assert Global(floor=3)(scores, 130, final=130) == {"small": 30, "large": 100}
