import math

import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.evidence import Evidence
from compression.pruning.gradients import total_gradients


def make_model():
    """Return a network with logits ln 3 and 0 for an input of 2: probabilities 3/4 and 1/4."""
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[math.log(3) / 2], [0.0]]))
    return model


def make_evidence(model, labels, turn=0):
    batches = [(torch.tensor([[2.0]]), torch.tensor([label])) for label in labels]
    return Evidence(model=model, example=batches[0][0], generator=make_generator(0), batches=batches, turn=turn)


def total(labels, num_batches, **options):
    model = make_model()
    totals = total_gradients(
        prunable_weights(model), evidence=make_evidence(model, labels, **options), num_batches=num_batches
    )
    assert list(totals) == ["weight"]
    assert totals["weight"].shape == (2, 1)
    assert not totals["weight"].requires_grad
    return totals["weight"].flatten().tolist()


def test_sums_by_hand():
    """With label 0 the gradient is 2 (3/4 - 1, 1/4), with label 1 it is 2 (3/4, 1/4 - 1)."""
    assert total([0], 1) == pytest.approx([-0.5, 0.5], rel=1e-5)
    assert total([0, 1, 0], 2) == pytest.approx([1, -1], rel=1e-5)
    assert total([0, 1, 0], 3) == pytest.approx([0.5, -0.5], rel=1e-5)


def test_the_next_turn_uses_the_next_batches():
    assert total([0, 1, 0], 1, turn=1) == pytest.approx([1.5, -1.5], rel=1e-5)


def test_only_the_given_weights_have_gradients():
    model = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 2))
    weights = {"1.weight": model[1].weight}
    assert list(total_gradients(weights, evidence=make_evidence(model, [0]), num_batches=1)) == ["1.weight"]


def test_without_images():
    model = make_model()
    evidence = Evidence(model=model, example=torch.zeros(1, 1), generator=make_generator(0))
    with pytest.raises(InputError, match="no training images"):
        total_gradients(prunable_weights(model), evidence=evidence, num_batches=1)
