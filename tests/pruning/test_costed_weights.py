import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.selection import prunable_weights
from compression.pruning.allocations.global_ import Global
from compression.pruning.allocations.lamp import Lamp
from compression.pruning.costed_weights import CostedWeightUnits, costed_units
from compression.pruning.granularities.weights import WeightUnits
from compression.pruning.scores_per_cost import scores_per_cost

COSTS = {"a": 5, "b": 1}


def make_units(weights, *protected):
    return CostedWeightUnits(weights, costs=COSTS, target="macs", protected=frozenset(protected))


def count(units, scores, amount, *, floor=0.0):
    return units.count(scores, amount=amount, final=amount, allocation=Global(floor=floor))


def test_costs_replace_the_number_of_weights():
    """All weights cost 4 * 5 + 16 = 36, and half of this is kept."""
    weights = {"a": torch.tensor([[9.5, 7.9], [7.1, 1.0]]), "b": torch.linspace(1, 4, 16).view(4, 4)}
    units = make_units(weights)
    assert count(units, weights, 0.5) == {"a": 3, "b": 3}
    # The weights of b are 1, 1.2, 1.4, ... Of the 13 that are kept, the last two rank below 9.5 / 5 and above 7.9 / 5.
    num_kept = count(units, scores_per_cost(weights, costs=COSTS, exponent=1.0), 0.5)
    assert num_kept == {"a": 1, "b": 13}
    masks = MaskSet(units.masks(weights, num_kept))
    assert masks.num_kept == 14
    assert units.removed(masks) == 0.5
    assert units.removed(units.dense_masks()) == 0


def test_costs_of_a_protected_layer_count():
    weights = {"a": torch.rand(2, 2), "b": torch.rand(4, 4)}
    units = make_units(weights, "a")
    scores = units.reduce(weights)
    assert count(units, scores, 0.25) == {"b": 7}
    with pytest.raises(InputError) as caught:
        count(units, scores, 0.5)
    limit = "must be at most 0.4166 for this model with 1 layers protected"
    assert str(caught.value) == f"sparsity=0.5 with strategy.target=macs would empty a layer: {limit}"
    assert count(units, scores, 0.4166) == {"b": 1}


def test_floors_hold_and_follow_from_the_last_amount():
    weights = {"a": torch.full((1, 20), 1e-3), "b": torch.ones(2, 50)}
    units = make_units(weights)
    # Floors of 3 and 6 weights would cost 21. A fifth of the cost is 40, and half of this lowers them to 2 and 5.
    for amount, kept in ((0.8, {"a": 2, "b": 30}), (0.7, {"a": 2, "b": 50}), (0.2, {"a": 12, "b": 100})):
        assert units.count(weights, amount=amount, final=0.8, allocation=Global(floor=3)) == kept
    assert count(units, weights, 0.8) == {"a": 1, "b": 35}


def test_only_one_ranking_can_weigh_costs():
    weights = {"a": torch.rand(2, 2), "b": torch.rand(4, 4)}
    with pytest.raises(InputError) as caught:
        make_units(weights).count(weights, amount=0.5, final=0.5, allocation=Lamp())
    assert str(caught.value) == (
        "strategy.target=macs needs one ranking of all weights: strategy.allocation must be global_.Global, not Lamp"
    )


def test_macs_are_removed_where_there_are_many_positions():
    """The first layer has 64 positions and the second 4; both have the same magnitudes."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(4), nn.Conv2d(8, 3, 3, padding=1))
    values = torch.rand(216, generator=torch.Generator().manual_seed(0)) + 0.1
    with torch.no_grad():
        for layer in (model[0], model[2]):
            layer.weight.copy_(values.view_as(layer.weight))
    weights = prunable_weights(model)
    scores = {name: weight.detach().abs() for name, weight in weights.items()}
    assert count(WeightUnits(weights, protected=frozenset()), scores, 0.75) == {"0.weight": 54, "2.weight": 54}
    units = costed_units(model, example=torch.zeros(1, 3, 8, 8), target="macs", protected=frozenset())
    assert units.costs == {"0.weight": 64, "2.weight": 4}
    num_kept = count(units, scores_per_cost(scores, costs=units.costs, exponent=0.25), 0.75)
    first, second = num_kept.values()
    assert first < 54 < second
    removed = units.removed(units.masks(scores, num_kept))
    assert removed == 1 - (64 * first + 4 * second) / (216 * 68)
    assert 0 <= removed - 0.75 < 64 / (216 * 68)


def test_a_layer_that_does_not_run_stays_dense():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Conv2d(3, 8, 3), nn.Linear(4, 4)

        def forward(self, images):
            return self.used(images).mean((2, 3))

    units = costed_units(Net(), example=torch.zeros(1, 3, 4, 4), target="macs", protected=frozenset())
    assert units.whole == ("idle.weight",)
