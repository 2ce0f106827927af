import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from compression.core.errors import InputError
from compression.core.selection import prunable_weights
from compression.pruning.allocations import count_kept, layer_floors
from compression.pruning.allocations.global_ import Global, global_num_kept
from compression.pruning.allocations.uniform import Uniform, uniform_num_kept
from compression.pruning.granularities.weights import Weights

SPARSITIES = [0.1, 0.3, 0.5, 0.7, 0.9, 0.95]
shapes = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=6)


def zeros(layers):
    return {f"layer{k}": torch.zeros(shape) for k, shape in enumerate(layers)}


def random(layers, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {f"layer{k}": torch.rand(shape, generator=generator) for k, shape in enumerate(layers)}


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


def test_count_kept_literals():
    scores = zeros([(10, 10), (5, 20)])
    assert [count_kept(scores, s) for s in (0, 0.5, 0.9, 0.903, 0.99)] == [200, 100, 20, 19, 2]


def test_a_target_that_would_empty_a_layer_names_the_limit():
    scores = zeros([(10, 10), (5, 20), (10, 80)])
    with pytest.raises(InputError) as caught:
        count_kept(scores, 0.998)
    assert str(caught.value) == "sparsity=0.998 would empty a layer: must be at most 0.997 for this model"
    assert count_kept(scores, 0.997) == 3


def test_floor_literals():
    scores = zeros([(4, 1, 3, 3), (8, 100)])
    assert layer_floors(scores, 800, 0) == {"layer0": 1, "layer1": 1}
    assert layer_floors(scores, 800, 9) == {"layer0": 36, "layer1": 72}
    assert layer_floors(scores, 800, 0.5) == {"layer0": 2, "layer1": 4}
    # No more than a layer has.
    assert layer_floors(scores, 900, 50) == {"layer0": 36, "layer1": 400}
    # Half of the kept weights at most: 54 of the 108 that are wanted.
    assert layer_floors(scores, 108, 9) == {"layer0": 18, "layer1": 36}


def test_global_literals():
    scores = {"a": torch.arange(8.0).view(1, 8), "b": torch.arange(8.0, 16.0).view(1, 8)}
    assert global_num_kept(scores, 0.25, floor=0) == {"a": 4, "b": 8}
    # All of "a" is lower than "b", but a layer keeps one weight at least.
    assert global_num_kept(scores, 0.5, floor=0) == {"a": 1, "b": 7}
    assert global_num_kept(scores, 0.5, floor=2) == {"a": 2, "b": 6}


def test_uniform_literals():
    assert uniform_num_kept({"a": 100, "b": 300}, 200, floors={"a": 1, "b": 1}) == {"a": 50, "b": 150}
    # Shares 1.25, 1.25 and 2.5: the largest remainder gets the one that is left.
    assert uniform_num_kept({"a": 5, "b": 5, "c": 10}, 5, floors=dict.fromkeys("abc", 1)) == {"a": 4, "b": 4, "c": 7}
    # "a" may lose 10 of its share of 50; the others take the rest in proportion.
    assert uniform_num_kept({"a": 100, "b": 100, "c": 200}, 200, floors={"a": 90, "b": 1, "c": 1}) == {
        "a": 90,
        "b": 37,
        "c": 73,
    }
    assert uniform_num_kept({"a": 7}, 0, floors={"a": 1}) == {"a": 7}


@pytest.mark.parametrize("allocation", [Global, Uniform])
@pytest.mark.parametrize("floor", [0, 1, 9])
@settings(deadline=None, max_examples=60)
@given(layers=shapes, spare=st.integers(0, 10**9) | st.integers(0, 12), tied=st.booleans())
def test_sum_is_exact_and_no_layer_is_emptied(allocation, floor, layers, spare, tied):
    scores = zeros(layers) if tied else random(layers)
    total = sum(score.numel() for score in scores.values())
    num_pruned = total - len(layers) - spare % (total - len(layers) + 1)
    kept = allocation(floor=floor)(scores, num_pruned / total)
    assert sum(kept.values()) == total - num_pruned
    assert all(1 <= kept[name] <= score.numel() for name, score in scores.items())


@pytest.mark.parametrize("allocation", [Global, Uniform])
def test_small_layers_among_wide_ones_at_the_limit(allocation):
    """Floors of one weight for each small layer come on top of half of the kept ones for the wide layer."""
    scores = random([(1, 10)] * 9 + [(100, 10)])
    kept = allocation(floor=9)(scores, 1 - 10 / 1090)
    assert kept == dict.fromkeys(scores, 1)


@pytest.mark.parametrize("allocation", [Global, Uniform])
@settings(deadline=None, max_examples=60)
@given(layers=shapes, floor=st.sampled_from([0, 1, 3]), data=st.data())
def test_a_layer_never_gets_back_what_it_has_lost(allocation, layers, floor, data):
    """More pruning of the whole must not mean less of one layer: its weights would have to come back."""
    scores = random(layers)
    total = sum(score.numel() for score in scores.values())
    counts = st.integers(0, total - len(layers))
    steps = sorted(data.draw(st.lists(counts, min_size=2, max_size=6)))
    kept = [allocation(floor=floor)(scores, num_pruned / total) for num_pruned in steps]
    for before, after in pairwise(kept):
        assert all(after[name] <= before[name] for name in scores)


def test_uniform_never_gives_a_layer_back_what_it_has_lost_literal():
    sizes, floors = {"a": 7, "b": 7, "c": 5}, dict.fromkeys("abc", 1)
    nine, ten = (uniform_num_kept(sizes, num_pruned, floors=floors) for num_pruned in (9, 10))
    assert all(ten[name] <= nine[name] for name in sizes)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 5))
def test_uniform_is_monotone_one_weight_at_a_time(layers, floor):
    sizes = {f"layer{k}": size for k, size in enumerate(layers)}
    floors = {name: min(size, floor) for name, size in sizes.items()}
    most = sum(sizes.values()) - sum(floors.values())
    kept = [uniform_num_kept(sizes, num_pruned, floors=floors) for num_pruned in range(most + 1)]
    assert [sum(counts.values()) for counts in kept] == [sum(layers) - k for k in range(most + 1)]
    for before, after in pairwise(kept):
        assert all(floors[name] <= after[name] <= before[name] for name in sizes)


def test_uniform_gives_every_layer_the_same_sparsity():
    scores = random([(8, 27), (16, 72), (10, 400)])
    for sparsity in SPARSITIES:
        for name, kept in Uniform()(scores, sparsity).items():
            assert abs(kept - (1 - sparsity) * scores[name].numel()) <= 1


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_global_masks_equal_those_of_torch(sparsity):
    net, reference = make_convnet(), make_convnet()
    layers = [module for module in reference if hasattr(module, "weight") and not isinstance(module, nn.BatchNorm2d)]
    prune.global_unstructured([(layer, "weight") for layer in layers], prune.L1Unstructured, amount=sparsity)
    scores = {name: weight.detach().abs() for name, weight in prunable_weights(net).items()}
    masks = Weights()(scores, Global()(scores, sparsity))
    assert len(masks) == len(layers) == 4
    for mask, layer in zip(masks.values(), layers, strict=True):
        assert torch.equal(mask, layer.weight_mask.bool())


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_global_counts_equal_those_of_torch_where_most_weights_are_zero(sparsity):
    net, reference = make_convnet(), make_convnet()
    for model in (net, reference):
        with torch.no_grad():
            for weight in prunable_weights(model).values():
                weight.masked_fill_(weight.abs() < weight.abs().flatten().kthvalue(weight.numel() * 3 // 5).values, 0)
    parts = [(reference[k], "weight") for k in (0, 2, 3, 4)]
    prune.global_unstructured(parts, prune.L1Unstructured, amount=sparsity)
    scores = {name: weight.detach().abs() for name, weight in prunable_weights(net).items()}
    masks = Weights()(scores, Global()(scores, sparsity))
    total = sum(mask.numel() for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    assert kept == sum(int(layer.weight_mask.sum()) for layer, _ in parts) == total - round(sparsity * total)
    # Which zeros go is open; that a weight which is not zero goes only after all zeros is not.
    for (name, mask), (layer, _) in zip(masks.items(), parts, strict=True):
        assert torch.equal(mask & (scores[name] > 0), layer.weight_mask.bool() & (scores[name] > 0))


@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_exact_where_all_weights_are_equal(sparsity, value):
    scores = {name: torch.full_like(w, value).detach() for name, w in prunable_weights(make_convnet()).items()}
    total = sum(score.numel() for score in scores.values())
    for allocation in (Global(), Uniform(), Global(floor=9), Uniform(floor=9)):
        masks = Weights()(scores, allocation(scores, sparsity))
        assert sum(int(mask.sum()) for mask in masks.values()) == total - round(sparsity * total)


def test_global_keeps_the_highest_scores():
    scores = random([(6, 20), (4, 30), (10, 10)])
    masks = Weights()(scores, Global()(scores, 0.8))
    everything = torch.cat([score.flatten() for score in scores.values()])
    threshold = everything.kthvalue(round(0.8 * everything.numel())).values
    for name, mask in masks.items():
        assert torch.equal(mask, scores[name] > threshold)


def test_a_floor_saves_a_layer_from_collapse():
    scores = {"small": torch.rand(10, 30) * 1e-3, "large": 1 + torch.rand(10, 100)}
    assert Global()(scores, 0.9)["small"] == 1
    kept = Global(floor=3)(scores, 0.9)
    assert kept == {"small": 30, "large": 100}


@pytest.mark.parametrize("allocation", [Global, Uniform])
@pytest.mark.parametrize("floor", [-1, -0.5])
def test_bad_floors(allocation, floor):
    with pytest.raises(InputError) as caught:
        allocation(floor=floor)
    assert str(caught.value) == f"strategy.allocation.floor={floor}: must be >= 0 weights per output channel"


@pytest.mark.parametrize("allocation", [Global, Uniform])
@pytest.mark.parametrize("floor", [math.nan, "many", None])
def test_floors_that_are_no_numbers(allocation, floor):
    with pytest.raises(InputError, match=rf"^strategy.allocation.floor={floor}: must be >= 0"):
        allocation(floor=floor)
