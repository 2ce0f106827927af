import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.evidence import Evidence
from compression.pruning.regrowth.moving import drop_fraction, move_mask
from compression.pruning.regrowth.rigl import RigL
from compression.pruning.regrowth.set_ import Set

WEIGHT = torch.tensor([[0.1, -0.2, 0.3, -0.4], [0.0, 0.0, 0.0, 0.0]])
MASK = torch.tensor([[True] * 4, [False] * 4])


def moved(growth, fraction, weight=WEIGHT, mask=MASK):
    return move_mask(weight, mask=mask, growth=torch.tensor(growth), fraction=fraction).int().tolist()


def test_drop_fraction_literals():
    assert [drop_fraction(t, initial=0.3) for t in (0, 0.5, 1)] == pytest.approx([0.3, 0.15, 0])
    assert drop_fraction(1 / 3, initial=0.4) == pytest.approx(0.3)


def test_move_literals():
    """Weights 0.1 and 0.2 are dropped. Of growths 5, 0, 1, 7, 0, 0 the 7 and 5 grow; one was just dropped."""
    growth = [[5.0, 0.0, 9.0, 9.0], [1.0, 7.0, 0.0, 0.0]]
    assert moved(growth, 0.5) == [[1, 0, 1, 1], [0, 1, 0, 0]]
    assert moved(growth, 0.25) == [[0, 1, 1, 1], [0, 1, 0, 0]]
    assert moved(growth, 1.0) == [[1, 0, 1, 1], [0, 1, 0, 0]]
    assert moved(growth, 0.0) == [[1, 1, 1, 1], [0, 0, 0, 0]]


def test_the_number_is_rounded():
    """0.3 of 4 weights is 1.2, and 0.4 of 4 weights is 1.6."""
    growth = [[0.0] * 4, [4.0, 3.0, 2.0, 1.0]]
    assert moved(growth, 0.3) == [[0, 1, 1, 1], [1, 0, 0, 0]]
    assert moved(growth, 0.4) == [[0, 0, 1, 1], [1, 1, 0, 0]]


def test_at_most_as_many_weights_move_as_are_pruned():
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    growth = [[0.0] * 4, [0.0, 0.0, 0.0, 1.0]]
    assert moved(growth, 1.0, weight=WEIGHT + 1, mask=mask) == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert moved(growth, 1.0, mask=torch.ones_like(mask)) == [[1] * 4, [1] * 4]


def test_ties_go_and_come_in_order():
    assert moved([[0.0] * 4, [1.0] * 4], 0.5, weight=torch.ones(2, 4)) == [[0, 0, 1, 1], [1, 1, 0, 0]]
    assert moved([[0.0] * 4] * 2, 0.5, weight=torch.zeros(2, 4)) == [[1, 1, 1, 1], [0, 0, 0, 0]]


few = st.sampled_from([0.0, 1.0, -1.0, 2.0])


@settings(deadline=None)
@given(st.lists(st.tuples(few, st.booleans(), few), min_size=1, max_size=30), st.floats(0, 1))
def test_counts_are_exact_under_ties(entries, fraction):
    weight, keep, growth = zip(*entries, strict=True)
    mask = torch.tensor(keep)
    weight = torch.tensor(weight) * mask
    after = move_mask(weight, mask=mask, growth=torch.tensor(growth), fraction=fraction)
    num_moved = min(round(fraction * int(mask.sum())), int((~mask).sum()))
    assert after.dtype == torch.bool
    assert after.sum() == mask.sum()
    assert (mask & ~after).sum() <= num_moved


def make_evidence(model=None, batches=None, seed=0):
    return Evidence(
        model=model or nn.Identity(), example=torch.zeros(1, 6), generator=make_generator(seed), batches=batches
    )


def make_case():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 4))
    generator = make_generator("regrowth")
    batches = [(torch.randn(8, 6, generator=generator), torch.arange(8) % 4) for _ in range(3)]
    weights = prunable_weights(model)
    masks = MaskSet({name: torch.rand(w.shape, generator=generator) < 0.4 for name, w in weights.items()})
    masks.mask_weights_(model)
    return model, weights, masks, batches


def test_rigl_grows_where_the_gradient_is_largest():
    model, weights, masks, batches = make_case()
    evidence = make_evidence(model, batches)
    after = RigL(fraction=0.5, num_batches=2)(weights, masks=masks, progress=0.5, evidence=evidence)
    assert list(after) == list(masks)
    gradients = list(evidence.gradients(2))
    for name, mask in masks.items():
        num_moved = round(0.25 * int(mask.sum()))
        sizes = weights[name].detach().abs().masked_fill(~mask, math.inf).flatten()
        staying = mask.flatten().clone()
        staying[sizes.argsort()[:num_moved]] = False
        growth = (gradients[0][name] + gradients[1][name]).abs().flatten().masked_fill(staying, -1)
        staying[growth.argsort(descending=True)[:num_moved]] = True
        assert torch.equal(after[name], staying.view(mask.shape))
        assert after[name].sum() == mask.sum()


@pytest.mark.parametrize("regrowth", [RigL(), Set()])
def test_nothing_moves_at_the_last_step(regrowth):
    model, weights, masks, batches = make_case()
    after = regrowth(weights, masks=masks, progress=1, evidence=make_evidence(model, batches))
    assert all(torch.equal(after[name], masks[name]) for name in masks)


def test_set_grows_at_random_places():
    _, weights, masks, _ = make_case()
    first, same, other = (
        Set(fraction=0.5)(weights, masks=masks, progress=0, evidence=make_evidence(seed=seed)) for seed in (1, 1, 2)
    )
    assert first.num_kept == other.num_kept == masks.num_kept
    assert all(torch.equal(first[name], same[name]) for name in masks)
    assert not all(torch.equal(first[name], other[name]) for name in masks)
    assert not all(torch.equal(first[name], masks[name]) for name in masks)


def test_rigl_needs_images():
    model, weights, masks, _ = make_case()
    with pytest.raises(InputError, match="no training images"):
        RigL()(weights, masks=masks, progress=0, evidence=make_evidence(model))


@pytest.mark.parametrize("regrowth", [RigL, Set])
@pytest.mark.parametrize("fraction", [0, -0.1, 1.1, math.nan, "some", None, True])
def test_bad_fractions(regrowth, fraction):
    with pytest.raises(InputError) as caught:
        regrowth(fraction=fraction)
    assert str(caught.value) == f"strategy.regrowth.fraction={fraction}: must be in (0, 1]"


def test_bad_number_of_batches():
    with pytest.raises(InputError, match=r"^strategy.regrowth.num_batches=0: must be an integer >= 1$"):
        RigL(num_batches=0)
