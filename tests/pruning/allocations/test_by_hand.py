import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import InputError
from compression.pruning.allocations.by_hand import ByHand

LAYERS = {"a.weight": torch.ones(10, 10), "b.weight": torch.ones(10, 10), "c.weight": torch.ones(10, 20)}


def share(sparsities, num_kept, final=None, layers=LAYERS, floor=0.0):
    allocation = ByHand(sparsities=sparsities, floor=floor)
    kept = allocation(layers, num_kept, final=num_kept if final is None else final)
    assert list(kept) == list(layers)
    return list(kept.values())


def test_literals():
    """Layer b keeps 10 units, and the other layers keep 200 of their 300."""
    assert share({"b.weight": 0.9}, 210) == [67, 10, 133]
    assert share({"[ab].*": 0.5, "c*": 0.75}, 150) == [50, 50, 50]
    assert share({}, 100) == [25, 25, 50]
    assert share({"a.weight": 0.0}, 250) == [100, 50, 100]


def test_all_layers_progress_at_the_same_rate():
    """Of 190 units to remove, 90 are in b; when 95 are removed, 45 of them are in b."""
    assert share({"b.weight": 0.9}, 400, 210) == [100, 100, 200]
    assert share({"b.weight": 0.9}, 305, 210) == [83, 55, 167]
    assert share({"a*": 0.9, "b*": 0.5, "c*": 0}, 330, 260) == [55, 75, 200]


def test_the_first_pattern_that_matches_counts():
    assert share({"a.*": 0.9, "*": 0.5}, 160) == [10, 50, 100]
    assert share({"*": 0.5, "a.*": 0.9}, 200) == [50, 50, 100]


def test_patterns_are_case_sensitive():
    with pytest.raises(InputError, match="matches no layer"):
        share({"A.weight": 0.5}, 200)


def test_a_named_layer_keeps_one():
    assert share({"a.weight": 0.999}, 201) == [1, 67, 133]


def test_the_floor_is_for_the_others():
    layers = {"named": torch.ones(10, 10), "small": torch.ones(10, 4), "large": torch.ones(10, 100)}
    assert share({"named": 0.98}, 102, layers=layers) == [2, 4, 96]
    assert share({"named": 0.98}, 102, layers=layers, floor=2) == [2, 20, 80]


def test_channels():
    layers = {"stage1": torch.rand(16), "stage2": torch.rand(32)}
    assert share({"stage1": 0.5}, 24, layers=layers) == [8, 16]


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(["layer0", "layer[12]", "layer3", "*4"]), st.floats(0, 0.99), max_size=3),
    st.data(),
)
def test_exact_and_monotone_on_the_way_to_the_end(sizes, sparsities, data):
    layers = {f"layer{k}": torch.zeros(size, 1) for k, size in enumerate(sizes)}
    patterns = {p: s for p, s in sparsities.items() if p != "*4" or len(sizes) > 4}
    patterns = {p: s for p, s in patterns.items() if p != "layer3" or len(sizes) > 3}
    patterns = {p: s for p, s in patterns.items() if p != "layer[12]" or len(sizes) > 1}
    allocation = ByHand(sparsities=patterns, floor=data.draw(st.sampled_from([0, 1])))
    fewest, most = allocation.limits(layers)
    final = data.draw(st.integers(fewest, most))
    before = sizes
    for num_kept in range(sum(sizes), final - 1, -1):
        kept = list(allocation(layers, num_kept, final=final).values())
        assert sum(kept) == num_kept
        assert all(1 <= now <= then for now, then in zip(kept, before, strict=True))
        before = kept
    if "layer0" in patterns:
        assert before[0] == max(1, sizes[0] - round(patterns["layer0"] * sizes[0]))


def test_limits():
    assert ByHand(sparsities={"b.weight": 0.9}).limits(LAYERS) == (12, 310)
    assert ByHand(sparsities={"*": 0.9}).limits(LAYERS) == (40, 40)


@pytest.mark.parametrize(("num_kept", "asked"), [(11, "0.9725"), (311, "0.2225")])
def test_a_total_out_of_reach_is_refused_with_the_possible_range(num_kept, asked):
    with pytest.raises(InputError) as caught:
        share({"b.weight": 0.9}, num_kept)
    assert str(caught.value) == (
        f"strategy.allocation.sparsities: with these a total of {asked} is out of reach: must be from 0.225 to 0.97"
    )
    assert sum(share({"b.weight": 0.9}, 400 - round(0.97 * 400))) == 12
    assert sum(share({"b.weight": 0.9}, 400 - round(0.225 * 400))) == 310


def test_naming_all_layers_fixes_the_total():
    with pytest.raises(InputError, match=r"total of 0.9 is out of reach: must be 0.725, because they name all layers$"):
        share({"a*": 0.9, "b*": 0.5, "c*": 0.75}, 40)


def test_a_pattern_that_matches_nothing():
    with pytest.raises(InputError) as caught:
        share({"a.weight": 0.5, "fc.*": 0.5}, 200)
    assert str(caught.value) == (
        "strategy.allocation.sparsities: 'fc.*' matches no layer; layers are a.weight, b.weight, c.weight"
    )
    with pytest.raises(InputError, match=r"layers are l0, l1, l2, l3, l4, \.\.\.$"):
        share({"fc": 0.5}, 7, layers={f"l{k}": torch.ones(1, 9) for k in range(7)})


@pytest.mark.parametrize("sparsity", [1, -0.1, 1.5, math.nan, "half", None, True])
def test_bad_sparsities(sparsity):
    with pytest.raises(InputError) as caught:
        ByHand(sparsities={"fc.*": sparsity})
    assert str(caught.value) == f"strategy.allocation.sparsities fc.*={sparsity}: must be in [0, 1)"


def test_no_patterns():
    with pytest.raises(InputError, match=r"^strategy.allocation.sparsities=0.9: must give a sparsity to each pattern"):
        ByHand(sparsities=0.9)
