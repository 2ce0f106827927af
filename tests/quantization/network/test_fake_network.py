import copy

import torch
from integer_nets import plan_of, rounding
from torch import nn
from user_nets import ReadsConstant, TiedWeights, TwoNames

from compression.core.tracing import trace
from compression.quantization.network.fake_network import (
    fake_layers,
    learn_steps_,
    make_plan,
    prepare,
    quantizable_layers,
    quantizers,
)
from compression.quantization.plan import Activation, Bits


class Branches(nn.Module):
    """A network with two layers that read the same value and are called in another order than they are defined."""

    def __init__(self):
        super().__init__()
        self.head, self.right, self.left, self.stem = (nn.Linear(3, 3) for _ in range(4))

    def forward(self, x):
        x = self.stem(x).relu()
        return self.head(self.left(x) + self.right(x))


def test_quantizable_layers_are_in_the_order_of_execution():
    assert quantizable_layers(Branches()) == ["stem", "left", "right", "head"]


def test_an_activation_gets_the_most_bits_of_its_readers():
    layers = {"stem": Bits(8, 3), "left": Bits(8, 4), "right": Bits(8, 6), "head": Bits(8, 2)}
    plan = make_plan(Branches(), layers, activation_bits=5)
    assert list(plan.activations.values()) == [
        Activation(3, signed=True),
        Activation(6, signed=False),
        # The terms of the sum, which no layer reads.
        Activation(5, signed=True),
        Activation(5, signed=True),
        Activation(2, signed=True),
    ]
    assert make_plan(Branches(), layers, activation_bits=5, dynamic=True).activations == {}


def test_layers_get_the_bits_of_what_they_read():
    layers = {"stem": Bits(8, 3), "left": Bits(8, 4), "right": Bits(8, 32), "head": Bits(8, 32)}
    plan = make_plan(Branches(), layers, activation_bits=5)
    # The sum of both branches is read by the head alone, so it stays in float.
    assert plan.layers == layers
    assert [one.bits for one in plan.activations.values()] == [3, 4, 5, 5]
    layers["right"] = Bits(8, 6)
    assert make_plan(Branches(), layers, activation_bits=5).layers["left"] == Bits(8, 6)


def test_layers_in_float_round_no_input_with_scales_of_batches():
    layers = dict.fromkeys(["stem", "left", "right"], Bits(8, 8)) | {"head": Bits(32, 8)}
    assert make_plan(Branches(), layers, activation_bits=8, dynamic=True).layers["head"] == Bits(32, 32)


def test_a_prepared_network_is_a_copy_with_the_same_parameters(model):
    graph = trace(model)
    before = copy.deepcopy(graph.state_dict())
    prepared = prepare(graph, plan_of(model, 4))
    names = {name for name, _ in prepared.named_parameters() if not name.endswith("scale")}
    assert names == {name for name, _ in graph.named_parameters()}
    assert list(fake_layers(prepared)) == ["stem.0", "depthwise", "head"]
    with torch.no_grad():
        for parameter in prepared.parameters():
            parameter.zero_()
    torch.testing.assert_close(dict(graph.state_dict()), dict(before), rtol=0, atol=0)


def test_weights_and_steps_get_gradients(model, batches):
    prepared = rounding(model, plan_of(model, 4, 4), batches, fold=False).train()
    learn_steps_(prepared)
    prepared(batches[0][0]).square().sum().backward()
    for name, layer in fake_layers(prepared).items():
        assert layer.weight.grad.abs().sum() > 0, name
        assert layer.weight_scale.grad.shape == layer.weight_scale.shape
    assert all(quantizer.scale.grad is not None for quantizer in quantizers(prepared).values())


def test_layers_that_share_a_weight_are_left_out():
    assert quantizable_layers(TwoNames(num_classes=2)) == ["conv1", "conv2", "head"]
    assert quantizable_layers(TiedWeights(num_classes=2)) == ["conv1", "conv2", "head"]


def test_an_operation_may_have_the_name_of_a_method_of_modules():
    class Doubles(nn.Module):
        def __init__(self):
            super().__init__()
            self.in_quantizer, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            x = self.in_quantizer(x)
            return self.head((x.double() + x.flip(1).double()).float())

    model = Doubles()
    plan = make_plan(model, dict.fromkeys(["in_quantizer", "head"], Bits(8, 8)), activation_bits=8)
    prepared = prepare(trace(model), plan)
    assert {"double", "in_quantizer"} <= set(plan.activations)
    assert set(quantizers(prepared)) == set(plan.activations)
    assert "quantizers.double_quantizer.scale" in prepared.state_dict()
    assert prepared(torch.ones(2, 3)).shape == (2, 2)


def test_a_layer_that_reads_a_buffer_is_left_out():
    assert quantizable_layers(ReadsConstant(num_classes=2)) == ["conv1", "conv2", "head"]
