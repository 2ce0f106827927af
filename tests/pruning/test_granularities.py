import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.granularities.n_of_m import NOfM, NOfMUnits, n_of_m_mask
from compression.pruning.granularities.weights import Weights, WeightUnits

NONE = frozenset()


def n_of_m_by_loop(scores, n, m):
    """Return a mask that keeps n of every m input channels, one block after the other."""
    mask = torch.ones_like(scores, dtype=torch.bool)
    rest = [range(size) for size in scores.shape[2:]]
    for out, start, *place in itertools.product(
        range(scores.shape[0]), range(0, scores.shape[1], m), *(list(r) for r in rest)
    ):
        block = [float(scores[(out, start + k, *place)]) for k in range(m)]
        for k in sorted(range(m), key=lambda k: block[k])[: m - n]:
            mask[(out, start + k, *place)] = False
    return mask


def count(units, scores, amount):
    return units.count(scores, amount=amount, final=amount, allocation=Uniform())


def test_weights_literals():
    scores = {"a": torch.tensor([[4.0, 1.0], [3.0, 2.0]]), "b": torch.tensor([[1.0, 1.0, 1.0]])}
    masks = WeightUnits(scores, protected=NONE).masks(scores, {"a": 1, "b": 2})
    assert masks["a"].tolist() == [[True, False], [False, False]]
    assert masks["b"].tolist() == [[False, True, True]]


@pytest.mark.parametrize("kept", [0, 1, 53, 54])
def test_the_number_of_kept_weights_is_exact_among_ties(kept):
    scores = {"a": torch.zeros(3, 2, 3, 3)}
    mask = WeightUnits(scores, protected=NONE).masks(scores, {"a": kept})["a"]
    assert mask.shape == (3, 2, 3, 3)
    assert int(mask.sum()) == kept


def test_weights_of_a_channels_last_layer():
    plain = {"a": torch.rand(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))}
    strided = {"a": plain["a"].contiguous(memory_format=torch.channels_last)}
    masks = [WeightUnits(scores, protected=NONE).masks(scores, {"a": 20})["a"] for scores in (plain, strided)]
    assert torch.equal(*masks)


def test_protected_weights_stay_dense_but_count():
    """Of 20 weights 10 are kept, including the 4 protected ones."""
    weights = {"a": torch.rand(2, 2), "b": torch.rand(4, 4)}
    units = WeightUnits(weights, protected=frozenset("a"))
    scores = units.reduce(weights)
    assert units.whole == ("a",)
    assert list(scores) == ["b"]
    assert count(units, scores, 0.5) == {"b": 6}
    masks = MaskSet(units.masks(scores, {"b": 6}))
    assert masks["a"].all()
    assert masks.num_kept == 10
    assert list(units.kept(masks)) == ["b"]
    assert torch.equal(units.kept(masks)["b"], masks["b"])


def test_weights_keep_one_of_every_layer():
    weights = {"a": torch.rand(2, 2), "b": torch.rand(4, 4)}
    units = WeightUnits(weights, protected=NONE)
    assert count(units, weights, 0.9) == {"a": 1, "b": 1}
    with pytest.raises(InputError) as caught:
        count(units, weights, 0.95)
    assert str(caught.value) == "sparsity=0.95 would empty a layer: must be at most 0.9 for this model"


def test_the_last_amount_is_checked_at_the_first_step():
    weights = {"a": torch.rand(2, 2), "b": torch.rand(4, 4)}
    with pytest.raises(InputError, match=r"^sparsity=0.99 would empty a layer"):
        WeightUnits(weights, protected=NONE).count(weights, amount=0.5, final=0.99, allocation=Uniform())


def test_units_are_the_prunable_weights_of_a_model():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    units = Weights().units(model, example=torch.zeros(1, 3, 4, 4), target="weights", protected=frozenset({"3.weight"}))
    assert list(units.dense_masks()) == ["0.weight", "3.weight"]
    assert units.dense_masks().sparsity == 0
    assert units.whole == ("3.weight",)
    assert Weights().fixed_sparsity is None


def test_two_of_four_literals():
    scores = torch.tensor([[1.0, 4.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0], [9.0, 9.0, 1.0, 9.0, 5.0, 6.0, 7.0, 8.0]])
    keep, drop = True, False
    assert n_of_m_mask(scores, n=2, m=4).tolist() == [
        [drop, keep, drop, keep, drop, drop, keep, keep],
        [drop, keep, drop, keep, drop, drop, keep, keep],
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([(), (1,), (3, 3), (2, 1, 2)]),
    st.sampled_from([(1, 2), (2, 4), (1, 4), (3, 4), (4, 8)]),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_n_of_m_equals_a_loop(num_outputs, num_blocks, kernel, pattern, seed, ties):
    n, m = pattern
    scores = torch.rand(num_outputs, num_blocks * m, *kernel, generator=torch.Generator().manual_seed(seed))
    if ties:
        scores = (scores * 3).round()
    mask = n_of_m_mask(scores, n=n, m=m)
    assert mask.dtype == torch.bool
    assert torch.equal(mask, n_of_m_by_loop(scores, n, m))
    assert int(mask.sum()) == mask.numel() * n // m


def test_n_of_m_of_a_channels_last_layer():
    scores = torch.rand(4, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    strided = scores.contiguous(memory_format=torch.channels_last)
    assert torch.equal(n_of_m_mask(scores, n=2, m=4), n_of_m_mask(strided, n=2, m=4))


def test_layers_that_do_not_fit_stay_whole():
    weights = {"first": torch.rand(8, 3, 3, 3), "depthwise": torch.rand(8, 1, 3, 3), "linear": torch.rand(5, 8)}
    units = NOfMUnits(weights, n=2, m=4, protected=NONE)
    scores = units.reduce(weights)
    masks = units.masks(scores, count(units, scores, 0.5))
    assert units.whole == ("first", "depthwise")
    assert count(units, scores, 0.5) == {"linear": 20}
    assert masks["first"].all()
    assert masks["depthwise"].all()
    assert int(masks["linear"].sum()) == 20


def test_protected_layers_stay_whole_under_a_pattern():
    weights = {"a": torch.rand(2, 4), "b": torch.rand(2, 4)}
    units = NOfMUnits(weights, n=1, m=4, protected=frozenset("b"))
    masks = units.masks(units.reduce(weights), {"a": 2})
    assert (int(masks["a"].sum()), int(masks["b"].sum())) == (2, 8)


def test_a_model_without_a_fitting_layer_is_refused():
    NOfMUnits({"a": torch.zeros(8, 3), "b": torch.zeros(2, 4)}, n=2, m=4, protected=NONE)
    with pytest.raises(InputError) as caught:
        NOfMUnits({"a": torch.zeros(8, 3), "b": torch.zeros(2, 6, 3, 3)}, n=2, m=4, protected=NONE)
    reason = "2:4 sparsity fits no layer: each is protected or has input channels that are not a multiple of 4: "
    assert str(caught.value) == f"{reason}a, b"
    with pytest.raises(InputError) as caught:
        NOfMUnits({name: torch.zeros(8, 3) for name in "abcde"}, n=2, m=4, protected=NONE)
    assert str(caught.value) == f"{reason}a, b, c and 2 more"


def test_a_pattern_knows_its_sparsity():
    assert NOfM(n=2, m=4).fixed_sparsity == 0.5
    assert NOfM(n=1, m=4).fixed_sparsity == 0.75


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 4), (5, 4), (-1, 4), (1, 0), (2.0, 4), ("x", 4), (True, 4)])
def test_bad_patterns(n, m):
    with pytest.raises(InputError) as caught:
        NOfM(n=n, m=m)
    assert str(caught.value) == f"strategy.granularity n={n} m={m}: must be integers with 0 < n < m"
