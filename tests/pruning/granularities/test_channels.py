import pytest
import torch
from concatenated_net import Concatenated
from contract_net import make_net
from torch import nn

from compression.core.errors import InputError
from compression.core.selection import prunable_weights
from compression.pruning.allocations.by_hand import ByHand
from compression.pruning.allocations.by_sensitivity import BySensitivity
from compression.pruning.allocations.erk import Erk
from compression.pruning.allocations.global_ import Global
from compression.pruning.allocations.lamp import Lamp
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.granularities.channels import Channels

ALLOCATIONS = {
    "global": Global(floor=0.1), "uniform": Uniform(), "erk": Erk(), "lamp": Lamp(),
    "by sensitivity": BySensitivity(max_drop=1.0), "by hand": ByHand(sparsities={"stem*": 0.0, "inner*": 0.6}),
}  # fmt: skip


def make_units(model, *, target="channels", round_to=8, normalize=False, protected=(), size=8):
    granularity, example = Channels(round_to=round_to, normalize=normalize), torch.zeros(2, 3, size, size)
    return granularity.units(model, example=example, target=target, protected=frozenset(protected))


def magnitudes(model):
    return {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}


def count(units, scores, amount, allocation=None):
    return units.count(scores, amount=amount, final=amount, allocation=allocation or Uniform())


def make_chain():
    """Return a network whose filters have mean sizes 4, 1, 3, 2 in the first layer and 5, 6 in the second."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1, bias=False), nn.Flatten(), nn.Linear(8, 2)
    )
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([4.0, -1.0, 3.0, 2.0]).view(4, 1, 1, 1).expand(4, 3, 1, 1))
        model[3].weight.copy_(torch.tensor([5.0, 6.0]).view(2, 1, 1, 1).expand(2, 4, 1, 1))
    return model


def test_masks_of_a_chain_by_hand():
    model = make_chain()
    units = make_units(model, round_to=1, size=2)
    scores = units.reduce(magnitudes(model))
    assert {name: score.tolist() for name, score in scores.items()} == {"0": [4, 1, 3, 2], "3": [5, 6]}
    masks = units.masks(scores, {"0": 2, "3": 1})
    assert list(masks) == ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "5.weight"]
    kept = [True, False, True, False]
    for name in ("0.bias", "1.weight", "1.bias"):
        assert masks[name].tolist() == kept
    assert masks["0.weight"][:, :, 0, 0].tolist() == [[keep] * 3 for keep in kept]
    assert masks["3.weight"][:, :, 0, 0].tolist() == [[False] * 4, kept]
    # Four positions of each channel.
    assert masks["5.weight"].tolist() == [[False] * 4 + [True] * 4] * 2
    assert {name: k.tolist() for name, k in units.kept(masks).items()} == {"0": kept, "3": [False, True]}


def test_dense_masks_keep_everything_and_count_weights_alone():
    units = make_units(make_chain(), size=2)
    masks = units.dense_masks()
    assert masks.sparsity == 0
    assert masks.num_weights == 12 + 8 + 16
    assert all(kept.all() for kept in units.kept(masks).values())


def test_normalized_scores_are_in_units_of_their_layers_mean():
    model = make_chain()
    units = make_units(model, normalize=True, size=2)
    scores = units.reduce(magnitudes(model))
    assert scores["0"].tolist() == pytest.approx([1.6, 0.4, 1.2, 0.8])
    assert scores["3"].tolist() == pytest.approx([10 / 11, 12 / 11])
    with torch.no_grad():
        model[0].weight[1] = 0
    assert units.reduce(magnitudes(model))["0"].tolist() == pytest.approx([4 / 3, 0, 1, 2 / 3])


def test_coupled_channels_have_the_mean_of_their_filters():
    model = make_net()
    scores = make_units(model).reduce(magnitudes(model))["stem.0"]
    filters = [model.stem[0], model.outer[0], model.depthwise[0]]
    expected = sum(layer.weight.detach().abs().flatten(1).mean(1) for layer in filters) / 3
    torch.testing.assert_close(scores.float(), expected)


class Branches(nn.Module):
    """A network that adds two concatenated branches to a third one that is as wide as both."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.both = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Conv2d(3, 16, 1)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        return self.head((torch.cat([self.left(x), self.right(x)], 1) + self.both(x)).mean((2, 3)))


def test_kept_channels_of_concatenated_layers_are_recovered():
    model = Branches()
    units = make_units(model)
    masks = units.masks(units.reduce(magnitudes(model)), {"both": 8})
    [kept] = units.kept(masks).values()
    assert int(kept.sum()) == 8
    assert torch.equal(kept, masks["both.bias"])


def test_counts_by_hand():
    """Of 96 channels 48 or 86 may stay; of two groups of 24 the first loses channels first."""
    model = make_net()
    units = make_units(model)
    scores = units.reduce(magnitudes(model))
    assert count(units, scores, 0.0) == {"stem.0": 16, "inner.0": 24, "separable.0": 32, "pointwise": 24}
    assert count(units, scores, 0.5) == {"stem.0": 8, "inner.0": 8, "separable.0": 16, "pointwise": 16}
    assert count(units, scores, 0.1) == {"stem.0": 16, "inner.0": 16, "separable.0": 24, "pointwise": 24}
    exact = make_units(model, round_to=1)
    assert count(exact, scores, 0.5) == {"stem.0": 8, "inner.0": 12, "separable.0": 16, "pointwise": 12}


def test_a_group_without_a_fitting_multiple_is_kept_or_rounded():
    model = nn.Sequential(nn.Conv2d(3, 12, 1), nn.Conv2d(12, 6, 1), nn.Flatten(), nn.Linear(24, 2))
    units = make_units(model, size=2)
    scores = units.reduce(magnitudes(model))
    assert count(units, scores, 0.2) == {"0": 8, "1": 6}
    assert count(units, scores, 0.0) == {"0": 12, "1": 6}


def test_protected_layers_keep_all_their_channels():
    model = make_chain()
    units = make_units(model, round_to=1, size=2, protected=["5.weight"])
    assert list(units.groups) == ["0"]
    assert units.whole == ("5.weight",)
    with pytest.raises(InputError, match=r"^this model has no channels that can be removed: "):
        make_units(model, size=2, protected=["3.weight"])


@pytest.mark.parametrize(("target", "limit"), [("channels", "0.6666"), ("params", "0.814"), ("macs", "0.8211")])
def test_an_amount_out_of_reach_is_refused_with_the_limit(target, limit):
    """With 8 channels per group, 32 of 96 channels, 1692 of 9100 parameters and 100384 of 561248 MACs are left."""
    model = make_net()
    units = make_units(model, target=target)
    scores = units.reduce(magnitudes(model))
    with pytest.raises(InputError) as caught:
        count(units, scores, 0.9)
    assert str(caught.value) == (
        f"sparsity=0.9 with strategy.target={target} is out of reach: must be at most {limit} for this model with "
        "granularity.round_to=8 and the allocation's floor"
    )
    assert set(count(units, scores, float(limit)).values()) == {8}


@pytest.mark.parametrize("allocation", ALLOCATIONS.values(), ids=ALLOCATIONS)
@pytest.mark.parametrize("target", ["channels", "params", "macs"])
def test_every_allocation_reaches_every_target_and_is_monotone(allocation, target):
    model = make_net()
    units = make_units(model, target=target)
    scores = units.reduce(magnitudes(model))
    before = count(units, scores, 0.0)
    for amount in (0.1, 0.2, 0.35):
        num_kept = units.count(scores, amount=amount, final=0.35, allocation=allocation)
        assert units.cost.removed(num_kept) >= amount - 1e-9
        assert all(number <= before[name] for name, number in num_kept.items())
        before = num_kept
    if isinstance(allocation, ByHand):
        assert (num_kept["stem.0"], num_kept["inner.0"]) == (16, 16)


@pytest.mark.parametrize("round_to", [0, -8, 4.0, True, "8"])
def test_bad_rounding_is_refused(round_to):
    with pytest.raises(InputError) as caught:
        Channels(round_to=round_to)
    assert str(caught.value) == f"strategy.granularity.round_to={round_to}: must be an integer >= 1"


def test_a_concatenation_that_is_added_scores_like_any_other_group():
    model = Concatenated()
    units = make_units(model, round_to=1)
    ones = {name: torch.ones_like(weight) for name, weight in prunable_weights(model).items()}
    scores = units.reduce(ones)
    assert {name: score.tolist() for name, score in scores.items()} == {name: [1.0] * 8 for name in scores}
    assert len(scores) == 2
