import copy

import pytest
import torch
from rounding_nets import ResidualNet, depthwise_net, fold, quantize, randomize_
from torch import nn

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.network.fake_network import fake_layers, make_plan
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.plan import Bits
from compression.quantization.repairs.bias_correction import correct_biases_


def images(seed=3, size=24):
    # Not of mean 0, or rounding would shift little.
    return torch.randn(size, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) + 1


def batches(*tensors):
    return [(tensor, None) for tensor in tensors]


def channel_means(network, names, batch):
    means = {}

    def keep(name):
        def hook(layer, _, output):
            axis = -1 if isinstance(layer, nn.Linear) else 1
            means[name] = output.double().movedim(axis, 0).flatten(1).mean(1)

        return hook

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    with torch.no_grad():
        network(batch)
    for hook in hooks:
        hook.remove()
    return means


def test_one_layer_by_hand():
    net = nn.Sequential(nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0.4]]))
    reference = trace(net)
    # With two bits and scale 1 the weights become 1 and 0.
    prepared = quantize(reference, None, weight_bits=2)
    inputs = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    created = correct_biases_(prepared, reference, batches(inputs[:1], inputs[1:]), num_batches=2)
    assert created == ["0"]
    # E[y] is (1.8 + 1.2) / 2, and rounded (1 + 0) / 2.
    assert prepared.get_submodule("0").bias.tolist() == pytest.approx([1.0])


@pytest.mark.parametrize("make", [ResidualNet, depthwise_net])
def test_means_of_all_layers_are_those_of_the_reference(make):
    reference, batch = fold(randomize_(make())), images()
    prepared = quantize(reference, None, weight_bits=3)
    names = list(fake_layers(prepared))
    wanted, before = channel_means(reference, names, batch), channel_means(prepared, names, batch)
    # Batches of two sizes: each image weighs the same.
    assert correct_biases_(prepared, reference, batches(batch[:16], batch[16:]), num_batches=5) == []
    after = channel_means(prepared, names, batch)
    for name in names:
        assert (before[name] - wanted[name]).abs().max() > 1e-2
        torch.testing.assert_close(after[name], wanted[name], rtol=1e-4, atol=1e-5)


def test_means_agree_with_rounded_activations_and_rounded_biases():
    reference, batch = fold(randomize_(ResidualNet())), images()
    prepared = quantize(reference, batch)
    names = list(fake_layers(prepared))
    correct_biases_(prepared, reference, batches(batch), num_batches=1)
    wanted, after = channel_means(reference, names, batch), channel_means(prepared, names, batch)
    for name in names:
        # A layer's own output, before its bias is rounded.
        torch.testing.assert_close(after[name], wanted[name], rtol=1e-4, atol=1e-4)


def test_the_integer_network_has_the_corrected_biases():
    reference, batch = fold(randomize_(ResidualNet())), images()
    layers = dict.fromkeys(("stem", "first", "second", "hidden", "head"), Bits(4, 8))
    plan = make_plan(reference, layers, activation_bits=8)
    prepared = quantize(reference, batch)
    correct_biases_(prepared, reference, batches(batch), num_batches=1)
    network = integer_network(reference, plan)
    network.load_state_dict(integer_state(prepared, plan))
    with torch.no_grad():
        torch.testing.assert_close(network(batch), prepared(batch), rtol=1e-3, atol=1e-3)


def test_only_the_first_batches_are_read_and_memory_changes_nothing():
    reference, batch = fold(randomize_(ResidualNet())), images()
    prepared = [quantize(reference, batch) for _ in range(3)]

    def endless():
        yield from batches(batch[:8], batch[8:16])
        raise AssertionError("read too far")

    correct_biases_(prepared[0], reference, endless(), num_batches=2)
    correct_biases_(prepared[1], reference, batches(batch[:8], batch[8:16]), num_batches=2, max_bytes=0)
    correct_biases_(prepared[2], reference, batches(batch[:8], batch[8:16]), num_batches=1)
    for name, layer in fake_layers(prepared[0]).items():
        assert torch.equal(layer.bias, prepared[1].get_submodule(name).bias)
    assert not torch.equal(prepared[0].get_submodule("head").bias, prepared[2].get_submodule("head").bias)


def test_only_biases_change():
    reference, batch = fold(randomize_(ResidualNet())), images()
    prepared = quantize(reference, batch).train()
    before, float_before = copy.deepcopy(prepared.state_dict()), copy.deepcopy(reference.state_dict())
    correct_biases_(prepared, reference, batches(batch), num_batches=1)
    assert prepared.training
    assert not reference.training
    changed = {name for name, tensor in prepared.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"{name}.bias" for name in fake_layers(prepared)}
    torch.testing.assert_close(dict(reference.state_dict()), dict(float_before), rtol=0, atol=0)


def test_bad_arguments_are_refused():
    reference = fold(randomize_(ResidualNet()))
    prepared = quantize(reference, images())
    with pytest.raises(InputError, match=r"num_batches=0: must be at least 1"):
        correct_biases_(prepared, reference, batches(images()), num_batches=0)
    with pytest.raises(InputError, match="at least one batch"):
        correct_biases_(prepared, reference, [], num_batches=1)
    with pytest.raises(AssertionError, match="not folded"):
        correct_biases_(prepared, trace(randomize_(ResidualNet())), batches(images()), num_batches=1)


def test_layers_that_share_a_weight_keep_their_batch_norms():
    class Shares(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3)
            self.one, self.two = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
            self.two.weight = self.one.weight
            self.norm, self.other_norm = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

        def forward(self, images):
            maps = self.stem(images)
            return (self.norm(self.one(maps)) + self.other_norm(self.two(maps))).mean((2, 3))

    reference, batch = fold(randomize_(Shares())), images()
    prepared = quantize(reference, None, weight_bits=3)
    correct_biases_(prepared, reference, batches(batch), num_batches=1)
    want, got = (channel_means(network, ["stem"], batch)["stem"] for network in (reference, prepared))
    torch.testing.assert_close(got, want)
