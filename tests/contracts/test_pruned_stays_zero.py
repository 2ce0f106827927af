"""Pruned weights stay zero in training, for every granularity and every optimizer."""

import pytest
import torch
from contract_net import EXAMPLE, make_batches, make_net
from torch.nn.functional import cross_entropy

from compression.core.masks import MaskSet
from compression.core.selection import prunable_weights
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.granularities.channels import Channels
from compression.pruning.granularities.n_of_m import NOfM
from compression.pruning.granularities.weights import Weights
from compression.pruning.strategy import find_units

GRANULARITIES = {
    "weights": (Weights(), "weights", (0.5, 0.9)),
    "channels": (Channels(), "channels", (0.2, 0.5)),
    "two of four": (NOfM(n=2, m=4), "weights", (0.5,)),
}
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.01),
}


def train(model, optimizer, masks=None):
    for images, labels in make_batches():
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        if masks is not None:
            masks.mask_gradients_(model)
        optimizer.step()
        if masks is not None:
            assert masks.hold(model.state_dict())


def make_masks(granularity, target, amount, model):
    units = find_units(granularity, model, example=EXAMPLE, amount=amount, target=target)
    scores = units.reduce({name: weight.detach().abs() for name, weight in prunable_weights(model).items()})
    num_kept = units.count(scores, amount=amount, final=amount, allocation=Uniform())
    return MaskSet(units.masks(scores, num_kept))


@pytest.mark.parametrize("kind", GRANULARITIES)
@pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_pruned_weights_stay_zero_after_a_dense_start(kind, make_optimizer):
    granularity, target, amounts = GRANULARITIES[kind]
    model = make_net()
    optimizer = make_optimizer(model.parameters())
    train(model, optimizer)
    for amount in amounts:
        masks = make_masks(granularity, target, amount, model)
        assert not masks.hold(model.state_dict())
        masks.mask_weights_(model)
        masks.mask_optimizer_state_(model, optimizer)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        train(model, optimizer, masks)
        for name, mask in masks.items():
            assert (model.state_dict()[name] != before[name])[mask].any()


@pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_masked_channels_output_zero(make_optimizer):
    """The masks include biases and batch norm of a channel, so the channel is zero for every image."""
    model = make_net()
    optimizer = make_optimizer(model.parameters())
    masks = make_masks(Channels(), "channels", 0.5, model)
    masks.mask_weights_(model)
    train(model, optimizer, masks)
    seen = {}
    hook = model.inner.register_forward_hook(lambda _, __, output: seen.update(output=output))
    model.eval()(make_batches()[0][0])
    hook.remove()
    kept = masks["inner.0.weight"].flatten(1).any(1)
    assert 0 < int(kept.sum()) < 24
    assert not seen["output"][:, ~kept].any()
    assert seen["output"][:, kept].any()
