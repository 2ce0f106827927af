import pytest
import torch
from contract_net import randomize_batch_norm_
from torch import nn

from compression.core.counting import count_macs, count_parameters
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.compaction import compact
from compression.pruning.granularities.channels import Channels


def make_units(model, *, target, size, round_to=8):
    granularity, example = Channels(round_to=round_to, normalize=False), torch.zeros(2, 3, size, size)
    return granularity.units(model, example=example, target=target, protected=frozenset())


def magnitudes(model):
    return {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}


@pytest.mark.parametrize(
    ("target", "removed"),
    [
        # Three of six channels.
        ("channels", 1 - 3 / 6),
        # Of 12 + 4, 8, 8 and 16 + 2 parameters 6 + 2, 4, 2 and 8 + 2 are left.
        ("params", 1 - 24 / 50),
        # Of 4 * 12, 4 * 8 and 16 operations, 4 * 6, 4 * 2 and 8.
        ("macs", 1 - 40 / 96),
    ],
)
def test_a_chain_by_hand(target, removed):
    """Four channels, then two, at four positions each; a linear layer reads every position of the second layer."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1, bias=False), nn.Flatten(), nn.Linear(8, 2)
    )
    cost = make_units(model, target=target, round_to=1, size=2).cost
    assert cost.removed({"0": 4, "3": 2}) == 0
    assert cost.removed({"0": 2, "3": 1}) == pytest.approx(removed)


@pytest.mark.parametrize(
    "make_model", [resnet18, pytest.param(mobilenet_v2, marks=pytest.mark.slow)], ids=lambda build: build.__name__
)
def test_the_cost_equals_the_count_on_the_compacted_network(make_model):
    model = make_model(num_classes=10).eval()
    randomize_batch_norm_(model, make_generator(0))
    macs, params = (make_units(model, target=target, size=32) for target in ("macs", "params"))
    scores = macs.reduce(magnitudes(model))
    num_kept = macs.count(scores, amount=0.5, final=0.5, allocation=Uniform())
    MaskSet(macs.masks(scores, num_kept)).mask_weights_(model)
    small = compact(model, torch.zeros(1, 3, 32, 32)).model
    assert macs.cost.removed(num_kept) == pytest.approx(1 - count_macs(small, 32) / count_macs(model, 32), abs=1e-12)
    assert params.cost.removed(num_kept) == pytest.approx(
        1 - count_parameters(small) / count_parameters(model), abs=1e-12
    )
    assert 0.5 <= macs.cost.removed(num_kept) < 0.53
