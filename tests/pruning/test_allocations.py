"""Tests that apply to every allocation, and tests of the shared floors."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import InputError
from compression.pruning.allocations import layer_floors
from compression.pruning.allocations.by_hand import ByHand
from compression.pruning.allocations.by_sensitivity import BySensitivity
from compression.pruning.allocations.erk import Erk
from compression.pruning.allocations.global_ import Global
from compression.pruning.allocations.lamp import Lamp
from compression.pruning.allocations.uniform import Uniform, uniform_num_kept

shapes = st.lists(
    st.tuples(st.integers(1, 12)) | st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=6
)


def measured(*, floor=0.0):
    return BySensitivity(max_drop=1, floor=floor).measured({f"layer{k}": (0.9, 0.5, 1.0)[k % 3] for k in range(10)})


def unmeasured(*, floor=0.0):
    return BySensitivity(max_drop=1, floor=floor)


def unnamed(*, floor=0.0):
    return ByHand(sparsities={}, floor=floor)


ALLOCATIONS = [Global, Uniform, Erk, Lamp, unnamed, unmeasured, measured]


def zeros(layers):
    return {f"layer{k}": torch.zeros(shape) for k, shape in enumerate(layers)}


def random(layers, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {f"layer{k}": torch.rand(shape, generator=generator) for k, shape in enumerate(layers)}


def num_weights(scores):
    return sum(score.numel() for score in scores.values())


def test_floor_literals():
    scores = zeros([(4, 1, 3, 3), (8, 100)])
    assert layer_floors(scores, 800, 0) == {"layer0": 1, "layer1": 1}
    assert layer_floors(scores, 800, 9) == {"layer0": 36, "layer1": 72}
    assert layer_floors(scores, 800, 0.5) == {"layer0": 2, "layer1": 4}
    # No more than a layer has.
    assert layer_floors(scores, 900, 50) == {"layer0": 36, "layer1": 400}
    assert layer_floors(scores, 836, math.inf) == {"layer0": 18, "layer1": 400}
    # Half of the kept weights at most: 54 of the 108 that are wanted.
    assert layer_floors(scores, 108, 9) == {"layer0": 18, "layer1": 36}
    assert layer_floors(scores, 2, 9) == {"layer0": 1, "layer1": 1}


def test_uniform_literals():
    def share(sizes, num_kept):
        return list(uniform_num_kept(zeros((size,) for size in sizes), num_kept=num_kept, floor=0).values())

    assert share([100, 300], 200) == [50, 150]
    # 1.25, 1.25 and 2.5 to go: the last gives the one that is left.
    assert share([5, 5, 10], 15) == [4, 4, 7]
    assert share([7], 7) == [7]


def test_uniform_gives_every_layer_the_same_sparsity():
    scores = random([(8, 27), (16, 72), (10, 400)])
    for num_kept in range(300, num_weights(scores), 171):
        for name, kept in Uniform()(scores, num_kept, final=3).items():
            assert abs(kept - num_kept * scores[name].numel() / num_weights(scores)) <= 1


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("floor", [0, 1, 9])
@settings(deadline=None, max_examples=15)
@given(layers=shapes, spare=st.integers(0, 10**9) | st.integers(0, 12), tied=st.booleans())
def test_sum_is_exact_and_no_layer_is_emptied(allocation, floor, layers, spare, tied):
    scores = zeros(layers) if tied else random(layers)
    num_kept = len(layers) + spare % (num_weights(scores) - len(layers) + 1)
    kept = allocation(floor=floor)(scores, num_kept, final=num_kept)
    assert list(kept) == list(scores)
    assert sum(kept.values()) == num_kept
    floors = layer_floors(scores, num_kept, floor)
    assert all(floors[name] <= kept[name] <= score.numel() for name, score in scores.items())


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_small_layers_among_wide_ones_at_the_limit(allocation):
    """Each small layer has a floor of one weight, besides half of the kept weights for the wide layer."""
    scores = random([(1, 10)] * 9 + [(100, 10)])
    assert allocation(floor=9)(scores, 10, final=10) == dict.fromkeys(scores, 1)


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@settings(deadline=None, max_examples=8)
@given(layers=shapes, floor=st.sampled_from([0, 1, 3]), tied=st.booleans())
def test_more_pruning_never_gives_a_layer_more(allocation, layers, floor, tied):
    """If a layer kept more at a higher total sparsity, pruned weights would have to return."""
    scores = zeros(layers) if tied else random(layers)
    counts = range(num_weights(scores), len(layers) - 1, -1)
    history = [allocation(floor=floor)(scores, count, final=len(layers)) for count in counts]
    for before, after in pairwise(history):
        assert all(after[name] <= before[name] for name in scores)


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("layers", [[(4, 3)] * 5 + [(12, 12)], [(12, 1), (12, 2), (12, 12)]])
def test_floors_that_fall_together_give_no_other_layer_more(allocation, layers):
    """If each floor were rounded separately, all floors of equal layers would drop at once."""
    scores = random(layers)
    counts = range(num_weights(scores), len(layers) - 1, -1)
    for floor in (1, 3):
        history = [allocation(floor=floor)(scores, count, final=len(layers)) for count in counts]
        for before, after in pairwise(history):
            assert all(after[name] <= before[name] for name in scores)


@pytest.mark.parametrize("allocation", [Global, Lamp])
def test_pruned_weights_are_removed_first(allocation):
    scores = random([(6, 10), (8, 5)])
    pruned = {name: score.masked_fill(score < 0.6, -torch.inf) for name, score in scores.items()}
    left = {name: int(score.isfinite().sum()) for name, score in pruned.items()}
    assert allocation()(pruned, sum(left.values()), final=2) == left
    fewer = allocation()(pruned, 9, final=2)
    assert all(fewer[name] <= left[name] for name in scores)


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_scores_are_left_alone(allocation):
    scores = random([(6, 10), (8, 5)])
    before = {name: score.clone() for name, score in scores.items()}
    allocation(floor=1)(scores, 50, final=20)
    assert all(torch.equal(scores[name], before[name]) for name in scores)


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("floor", [-1, -0.5, math.nan, "many", None, True])
def test_bad_floors(allocation, floor):
    with pytest.raises(InputError) as caught:
        allocation(floor=floor)
    assert str(caught.value) == f"strategy.allocation.floor={floor}: must be >= 0 weights per output channel"
