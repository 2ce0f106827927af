import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from compression.core.errors import InputError
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.evidence import Evidence


def make_net(dropout=0.5):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(dropout), nn.Flatten(),
        nn.Linear(4 * 16, 5),
    )  # fmt: skip


def make_batches(count=3):
    generator = make_generator("images")
    return [(torch.randn(6, 3, 6, 6, generator=generator), torch.tensor([0, 1, 2, 3, 4, 0])) for _ in range(count)]


def make_evidence(model, batches, turn=0):
    return Evidence(
        model=model, example=torch.zeros(1, 3, 6, 6), generator=make_generator(0), batches=batches, turn=turn
    )


def test_gradients_equal_those_of_a_plain_backward():
    batches, reference = make_batches(), make_net(dropout=0)
    found = list(make_evidence(make_net(), batches).gradients(3))
    assert len(found) == 3
    for gradients, (images, labels) in zip(found, batches, strict=True):
        reference.zero_grad()
        cross_entropy(reference.train()(images), labels).backward()
        expected = {name: weight.grad for name, weight in prunable_weights(reference).items()}
        assert list(gradients) == list(expected) == ["0.weight", "5.weight"]
        assert all(torch.equal(gradients[name], expected[name]) for name in expected)
        assert not any(gradient.requires_grad for gradient in gradients.values())


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training):
    model, batches = make_net().train(training), make_batches()
    model[1].eval()
    model[5].weight.grad = torch.ones_like(model[5].weight)
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    random_state = torch.get_rng_state()
    with torch.no_grad():
        list(make_evidence(model, batches).gradients(2))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert [module.training for module in model.modules()] == modes
    assert model[1].track_running_stats
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model[0].weight.grad is None
    assert torch.equal(model[5].weight.grad, torch.ones_like(model[5].weight))


def test_the_model_is_left_as_it_was_after_an_error():
    model = make_net()
    with pytest.raises(RuntimeError):
        list(make_evidence(model, [(torch.zeros(2, 3, 99, 99), torch.zeros(2, dtype=torch.long))]).gradients(1))
    assert model[1].track_running_stats
    assert all(module.training for module in model.modules())


def test_pruned_weights_have_a_gradient():
    model = make_net()
    with torch.no_grad():
        model[5].weight[0].zero_()
    gradients = next(make_evidence(model, make_batches()).gradients(1))
    assert gradients["5.weight"][0].abs().sum() > 0


def test_batches_are_skipped_and_repeated():
    model, batches = make_net(), make_batches(3)
    singles = [next(make_evidence(model, [batch]).gradients(1)) for batch in batches]
    found = list(make_evidence(model, batches, turn=2).gradients(2))
    # Four were looked at before: the fourth was the first again.
    for gradients, expected in zip(found, [singles[1], singles[2]], strict=True):
        assert all(torch.equal(gradients[name], expected[name]) for name in expected)


def test_a_weight_out_of_use_has_no_slope():
    model = make_net()
    model[2].register_module("unused", nn.Linear(3, 3))
    gradients = next(make_evidence(model, make_batches()).gradients(1))
    assert gradients["2.unused.weight"].tolist() == torch.zeros(3, 3).tolist()


def test_a_fixed_weight_has_no_slope():
    model = make_net()
    [first, *others] = prunable_weights(model)
    model.get_parameter(first).requires_grad_(False)
    gradients = next(make_evidence(model, make_batches()).gradients(1))
    assert not gradients[first].any()
    assert all(gradients[name].any() for name in others)
    model.requires_grad_(False)
    with pytest.raises(InputError, match=r"no weight of the network learns"):
        next(make_evidence(model, make_batches()).gradients(1))


def test_without_images():
    for nothing in (None, []):
        with pytest.raises(InputError, match=r"there are no training images"):
            next(make_evidence(make_net(), nothing).gradients(1))
