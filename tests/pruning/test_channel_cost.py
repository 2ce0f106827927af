import pytest
import torch
from contract_net import randomize_batch_norm_

from compression.core.counting import count_macs, count_parameters
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.compaction import compact
from compression.pruning.granularities.channels import Channels

FAMILIES = {"mobilenet_v2": mobilenet_v2, "resnet18": resnet18}


def make_units(model, *, target="channels", round_to=8, normalize=False, protected=(), size=8):
    granularity, example = Channels(round_to=round_to, normalize=normalize), torch.zeros(2, 3, size, size)
    return granularity.units(model, example=example, target=target, protected=frozenset(protected))


def magnitudes(model):
    return {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}


def count(units, scores, amount, allocation=None):
    return units.count(scores, amount=amount, final=amount, allocation=allocation or Uniform())


@pytest.mark.parametrize("make_model", FAMILIES.values(), ids=FAMILIES)
def test_the_cost_is_what_is_counted_on_the_compacted_network(make_model):
    model = make_model(num_classes=10).eval()
    randomize_batch_norm_(model, make_generator(0))
    macs, params = (make_units(model, target=target, size=32) for target in ("macs", "params"))
    scores = macs.reduce(magnitudes(model))
    num_kept = count(macs, scores, 0.5)
    MaskSet(macs.masks(scores, num_kept)).mask_weights_(model)
    small = compact(model, torch.zeros(1, 3, 32, 32)).model
    assert macs.cost.removed(num_kept) == pytest.approx(1 - count_macs(small, 32) / count_macs(model, 32), abs=1e-12)
    assert params.cost.removed(num_kept) == pytest.approx(
        1 - count_parameters(small) / count_parameters(model), abs=1e-12
    )
    assert 0.5 <= macs.cost.removed(num_kept) < 0.53
