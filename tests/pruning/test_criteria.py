"""Tests of Taylor, SNIP and movement with gradients worked out by hand and by torch."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, relu

from compression.core.errors import InputError
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.criteria.movement import Movement, movement_scores
from compression.pruning.criteria.snip import Snip, snip_scores
from compression.pruning.criteria.taylor import Taylor, taylor_scores
from compression.pruning.evidence import Evidence

CRITERIA = [Taylor, Snip, Movement]


def make_evidence(model, batches, turn=0):
    return Evidence(model=model, example=batches[0][0], generator=make_generator(0), batches=batches, turn=turn)


def make_two_layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False))


def make_batches(count, size=6):
    generator = make_generator("batches")
    return [
        (torch.randn(size, 5, generator=generator), torch.randint(3, (size,), generator=generator))
        for _ in range(count)
    ]


def gradients_by_formula(model, images, labels):
    """Compute the same network written out, with separate weights."""
    first, last = (model[k].weight.detach().clone().requires_grad_() for k in (0, 2))
    loss = cross_entropy(relu(images @ first.T) @ last.T, labels)
    return dict(zip(("0.weight", "2.weight"), torch.autograd.grad(loss, [first, last]), strict=True))


def test_literals():
    weight, gradient = torch.tensor([[2.0, -3.0, 0.0]]), torch.tensor([[0.5, 2.0, 9.0]])
    assert taylor_scores(weight, gradient).tolist() == [[1, 36, 0]]
    assert snip_scores(weight, gradient).tolist() == [[1, 6, 0]]
    assert movement_scores(weight, gradient).tolist() == [[-1, 6, 0]]


def test_by_hand():
    """Logits ln 3 and 0 are probabilities 3/4 and 1/4; with label 0 and input 2 the gradient is -1/2 and 1/2."""
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[math.log(3) / 2], [0.0]]))
    evidence = make_evidence(model, [(torch.tensor([[2.0]]), torch.tensor([0]))])
    product = math.log(3) / 4
    for criterion, first in ((Taylor, product**2), (Snip, product), (Movement, product)):
        scores = criterion(num_batches=1)(prunable_weights(model), evidence=evidence)["weight"]
        assert scores.flatten().tolist() == pytest.approx([first, 0], rel=1e-5)


@pytest.mark.parametrize("num_batches", [1, 3])
def test_scores_equal_the_formulas_on_a_network_of_two_layers(num_batches):
    model, batches = make_two_layers(), make_batches(6)
    weights, evidence = prunable_weights(model), make_evidence(model, batches, turn=1)
    gradients = [gradients_by_formula(model, *batch) for batch in batches[num_batches : 2 * num_batches]]
    for name, weight in weights.items():
        w = weight.detach()
        products = torch.stack([gradient[name] * w for gradient in gradients])
        expected = {Taylor: products.square().mean(0), Snip: products.sum(0).abs(), Movement: -products.sum(0)}
        for criterion, value in expected.items():
            scores = criterion(num_batches=num_batches)(weights, evidence=evidence)
            assert list(scores) == list(weights)
            torch.testing.assert_close(scores[name], value, check_dtype=False)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_scores_are_finite_and_need_no_gradient(criterion):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
    with torch.no_grad():
        model[0].weight[0].zero_()
    batches = [(torch.randn(4, 3, 8, 8, generator=make_generator(1)), torch.arange(4))]
    weights = prunable_weights(model)
    scores = criterion()(weights, evidence=make_evidence(model, batches))
    for name, weight in weights.items():
        assert scores[name].shape == weight.shape
        assert scores[name].isfinite().all()
        assert not scores[name].requires_grad
        assert weight.grad is None
    assert (scores["0.weight"][0] == 0).all()


def test_small_products_are_not_lost():
    """Squares below 1e-45 are zero in float32."""
    scores = taylor_scores(torch.tensor([1e-12, 2e-12]), torch.tensor([1e-12, 1e-12]))
    assert 0 < scores[0] < scores[1]


def test_snip_ranks_as_the_normalized_scores_of_the_paper():
    model, batches = make_two_layers(), make_batches(1)
    scores = Snip()(prunable_weights(model), evidence=make_evidence(model, batches))
    everything = torch.cat([score.flatten() for score in scores.values()])
    assert torch.equal((everything / everything.sum()).argsort(), everything.argsort())


@pytest.mark.parametrize("criterion", CRITERIA)
def test_without_images(criterion):
    model = make_two_layers()
    evidence = Evidence(model=model, example=torch.zeros(1, 5), generator=make_generator(0))
    with pytest.raises(InputError, match=r"needs gradients, and there are no training images"):
        criterion()(prunable_weights(model), evidence=evidence)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("num_batches", [0, -1, 1.5, True, "all"])
def test_bad_numbers_of_batches(criterion, num_batches):
    with pytest.raises(InputError) as caught:
        criterion(num_batches=num_batches)
    assert str(caught.value) == f"strategy.criterion.num_batches={num_batches}: must be an integer >= 1"
