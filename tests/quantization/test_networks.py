"""Networks that round, and networks of integers: placed, folded, the same function, zeros kept."""

import copy
import dataclasses
from functools import partial

import pytest
import torch
from residual_net import Residual, TrainsDifferently, randomize_
from torch import nn
from torch.nn import functional as F

from compression.core.counting import count_nonzero_parameters, count_parameters, model_sparsity
from compression.core.errors import InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.quantization.calibration import calibrate_
from compression.quantization.fold import fold_batch_norms_
from compression.quantization.graph import is_never_negative, trace
from compression.quantization.integer_layers import DynamicLayer, IntegerLayer, WeightOnlyLayer
from compression.quantization.integer_network import integer_network, integer_state
from compression.quantization.network import fake_layers, make_plan, prepare, quantizable_layers, quantizers
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Activation, Bits, Plan, describe_arithmetic
from compression.quantization.post_training import Calibration, calibrated, quantized


@pytest.fixture
def model():
    torch.manual_seed(1)
    return randomize_(Residual())


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(2)
    return [(torch.randn(16, 3, 12, 12, generator=generator), None) for _ in range(3)]


def plan_of(model, weight=8, activation=8, **settings):
    layers = {name: Bits(weight, activation) for name in quantizable_layers(model)}
    return make_plan(model, layers, activation_bits=activation, **settings)


def rounding(model, plan, batches, *, fold=True):
    settings = Calibration(MinMax, MinMax, 3)
    made = quantized(model, plan, settings, batches).network if fold else calibrated(model, plan, settings, batches)
    return made.eval()


def to_integers(model, prepared, plan):
    network = integer_network(trace(model), plan)
    network.load_state_dict(integer_state(prepared, plan))
    return network.eval()


def test_places(model):
    plan = plan_of(model)
    assert plan.layers == dict.fromkeys(["stem.0", "depthwise", "head"], Bits(8, 8))
    # The image, what the stem gives, the two terms' sum behind its ReLU, the average; the logits are left.
    assert plan.activations == {
        "images": Activation(8, signed=True),
        "stem_2": Activation(8, signed=False),
        "depthwise": Activation(8, signed=True),
        "relu": Activation(8, signed=False),
        "adaptive_avg_pool2d": Activation(8, signed=False),
    }


def test_only_what_cannot_be_negative_is_unsigned(model):
    traced = trace(model)
    nodes = {node.name: node for node in traced.graph.nodes}
    never = [name for name, node in nodes.items() if is_never_negative(traced, node)]
    assert never == ["stem_2", "pool", "relu", "adaptive_avg_pool2d", "flatten", "dropout"]


@pytest.mark.parametrize("make", [Residual, partial(mobilenet_v2, num_classes=4), partial(resnet18, num_classes=4)])
def test_folding_keeps_the_function(make):
    model = randomize_(make()).double()
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    folded = trace(model)
    names = fold_batch_norms_(folded)
    assert len(names) == sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(images), model(images))


def test_integers_follow_the_scale_that_a_huge_bias_forces():
    # On the grid of scale 0.01 already; a bias of 4e7 needs 4e7 / (0.01 * 1/127) counts, more than int32 holds.
    model = nn.Sequential(nn.Conv2d(1, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.27, -0.64]).reshape(2, 1, 1, 1))
        model[0].bias.copy_(torch.tensor([0.0, 4e7]))
    plan = plan_of(model)
    prepared = rounding(model, plan, [(torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8), None)])
    state = integer_state(prepared, plan)
    assert state["0.weight_scale"][1] > 1
    stored = state["0.weight"].flatten() * state["0.weight_scale"]
    assert ((stored - torch.tensor([1.27, -0.64])).abs() <= state["0.weight_scale"] / 2).all()


def test_tracing_leaves_the_model_alone(model):
    before = copy.deepcopy(model.state_dict())
    fold_batch_norms_(trace(model))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.stem[2].inplace


@pytest.mark.parametrize("bits", [(8, 8), (6, 4), (2, 3)])
@pytest.mark.parametrize("fold", [True, False])
def test_integers_compute_what_rounding_imitates(model, batches, bits, fold):
    plan = plan_of(model, *bits)
    prepared = rounding(model, plan, batches, fold=fold)
    network = to_integers(model, prepared, plan)
    images = batches[0][0]
    steps = quantizers(prepared)["relu"].rounding_scale().item()
    with torch.no_grad():
        difference = (prepared(images) - network(images)).abs()
    # A value that lies between two integers may fall to either, in a few places; a wrong scale would be everywhere.
    assert difference.median() < 1e-5
    assert difference.max() < steps


def test_the_first_layer_by_hand(model, batches):
    plan = plan_of(model)
    network = to_integers(model, rounding(model, plan, batches), plan)
    layer, images = network.get_submodule("stem.0"), batches[0][0][:2]
    assert isinstance(layer, IntegerLayer)
    assert (layer.weight.dtype, layer.bias.dtype) == (torch.int8, torch.int32)
    scale = network.get_submodule("quantizers.images").scale
    integers = torch.round(images / scale).clamp(-128, 127).long()
    sums = F.conv2d(integers, layer.weight.long(), layer.bias.long(), padding=1)
    expected = sums * (scale * layer.weight_scale).reshape(-1, 1, 1)
    assert torch.equal(layer(integers * scale, scale), expected.float())


def test_batch_norm_with_negative_scale_turns_the_integers(model, batches):
    plan = plan_of(model)
    model.norm.weight.data[2:5] = -0.7
    prepared = rounding(model, plan, batches, fold=False)
    signs = torch.sign(model.norm.weight.detach())
    state = integer_state(prepared, plan)
    layer = prepared.get_submodule("depthwise")
    integers = torch.round(layer.weight.detach() / layer.weight_scale.reshape(-1, 1, 1, 1))
    assert torch.equal(state["depthwise.weight"].float(), integers * signs.reshape(-1, 1, 1, 1))
    assert (state["depthwise.weight_scale"] > 0).all()


@pytest.mark.parametrize("dynamic", [False, True])
def test_zeros_stay_zero(model, batches, dynamic):
    with torch.no_grad():
        model.stem[0].weight[:, 1] = 0
        model.depthwise.weight[3] = 0
        model.head.weight[:, ::2] = 0
    plan = plan_of(model, 3, 8, dynamic=dynamic)
    network = to_integers(model, rounding(model, plan, batches), plan)
    assert model_sparsity(network) >= model_sparsity(model) > 0.3
    assert not network.get_submodule("stem.0").weight[:, 1].any()
    assert not network.get_submodule("head").weight[:, ::2].any()


def test_a_channel_without_weights_keeps_its_bias(model, batches):
    with torch.no_grad():
        model.depthwise.weight[3] = 0
    plan = plan_of(model)
    prepared = rounding(model, plan, batches)
    network = to_integers(model, prepared, plan)
    layer = network.get_submodule("depthwise")
    scale = network.get_submodule("quantizers.stem_2").scale
    folded = prepared.get_submodule("depthwise").bias[3]
    assert (layer.bias[3] * scale * layer.weight_scale[3]).item() == pytest.approx(folded.item(), rel=1e-5)


def test_relu6_is_clamped_by_the_grid(model, batches):
    model.stem[1].bias.data.fill_(9.0)
    plan = plan_of(model, 8, 6)
    network = to_integers(model, rounding(model, plan, batches), plan)
    assert not any(isinstance(module, nn.ReLU6) for module in network.modules())
    assert network.get_submodule("quantizers.stem_2").scale.item() == pytest.approx(6 / 63)


def test_float_layers_stay(model, batches):
    layers = {"stem.0": Bits(8, 8), "depthwise": Bits(4, 32), "head": Bits(32, 32)}
    plan = make_plan(model, layers, activation_bits=8)
    network = to_integers(model, rounding(model, plan, batches), plan)
    kinds = [type(network.get_submodule(name)) for name in layers]
    assert kinds == [IntegerLayer, WeightOnlyLayer, nn.Linear]


def test_weights_alone(model, batches):
    plan = plan_of(model, 8, 32)
    assert not plan.activations
    network = to_integers(model, quantized(model, plan, Calibration(MinMax, None, 0), batches).network, plan)
    images = batches[0][0]
    torch.testing.assert_close(network(images), model(images), rtol=0.05, atol=0.05)


def test_dynamic_scales_are_those_of_the_batch(model, batches):
    plan = plan_of(model, 8, 8, dynamic=True)
    network = to_integers(model, quantized(model, plan, Calibration(MinMax, None, 0), []).network, plan)
    layer, images = network.get_submodule("stem.0"), batches[0][0]
    assert isinstance(layer, DynamicLayer)
    assert layer.grid.signed
    assert not network.get_submodule("depthwise").grid.signed
    # Twice the images is twice the scale and the same integers.
    without = layer(images, None) - layer.bias.reshape(-1, 1, 1)
    torch.testing.assert_close(layer(2 * images, None) - layer.bias.reshape(-1, 1, 1), 2 * without)
    torch.testing.assert_close(network(images), model(images), rtol=0.05, atol=0.05)


def test_what_integers_hold_is_counted(model, batches):
    plan = plan_of(model)
    network = to_integers(model, rounding(model, plan, batches), plan)
    weights, outputs = 8 * 3 * 9 + 8 * 9 + 8 * 4, 8 + 8 + 4
    assert count_parameters(network) == weights + 2 * outputs
    assert 0 < count_nonzero_parameters(network) <= count_parameters(network)


def test_refit_follows_rounded_weights(model, batches):
    plan = plan_of(model, 2, 8)
    plain = quantized(model, plan, Calibration(MinMax, MinMax, 3), batches).network
    refit = quantized(model, plan, Calibration(MinMax, MinMax, 3, 3, batches), batches).network
    images = torch.cat([images for images, _ in batches])
    # Behind a refitted batch norm a channel has the mean beta again.
    with torch.no_grad():
        errors = [
            (network.get_submodule("stem.0")(images).mean((0, 2, 3)) - model.stem[1].bias).abs().max()
            for network in (plain, refit)
        ]
    assert errors[1] < 1e-4 < errors[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_calibration_names_what_is_not_finite(model, batches, value):
    batches[1][0][0, 0, 0, 0] = value
    with pytest.raises(InputError, match="the activation after images is NaN or infinite"):
        rounding(model, plan_of(model), batches)


def test_calibration_needs_images(model):
    with pytest.raises(InputError, match="gave no image"):
        calibrate_(prepare(trace(model), plan_of(model)), MinMax, [], num_batches=4)


def test_a_path_that_hangs_on_values_is_refused():
    class Branching(nn.Module):
        def forward(self, images):
            return images if images.sum() > 0 else -images

    with pytest.raises(InputError, match="Branching cannot be quantized"):
        trace(Branching())


def test_a_plan_of_another_network_is_refused(model):
    with pytest.raises(InputError, match="layer conv9 cannot be quantized; allowed: depthwise, head"):
        integer_network(trace(model), Plan({"conv9": Bits(8, 8)}))
    with pytest.raises(InputError, match="no activation elsewhere"):
        integer_network(trace(model), Plan({"head": Bits(8, 8)}, {"elsewhere": Activation(8, signed=False)}))
    with pytest.raises(InputError, match="layer head has no quantized input"):
        integer_network(trace(model), Plan({"head": Bits(8, 8)}))


def test_a_network_is_traced_as_it_is_evaluated(batches):
    torch.manual_seed(0)
    model = TrainsDifferently().eval()
    images = batches[0][0]
    plan = plan_of(model)
    # A difference may be negative, whatever its terms.
    assert plan.activations["add"].signed
    expected = model(images)
    for training in (True, False):
        model.train(training)
        traced = trace(model).eval()
        torch.testing.assert_close(traced(images), expected)
    network = to_integers(model.train(), rounding(model, plan, batches), plan)
    assert torch.equal(network(images), network(images))


def test_weights_that_are_not_finite_are_named(model, batches):
    model.head.weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match="the weight of head is NaN or infinite"):
        rounding(model, plan_of(model), batches)


def test_plan_as_json(model):
    plan = plan_of(model, 4, 6)
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    "change",
    [
        {"layers": {"head": [8]}},
        {"layers": {"head": [1, 8]}},
        {"layers": [1]},
        {"activations": {"relu": [8, 1]}},
        {"activations": {"relu": [32, True]}},
        {"dynamic": "no"},
        {"unclamped": [3]},
        {"unclamped": "relu"},
        {"layers": {}},
        {"reduced_range": 1},
    ],
)
def test_a_damaged_plan_is_refused(model, change):
    with pytest.raises(InputError):
        Plan.from_json(plan_of(model).to_json() | change)


def test_arithmetic_is_named(model):
    assert describe_arithmetic(plan_of(model)) == "W8A8, executed in integers"
    reduced = dataclasses.replace(plan_of(model, 7, 8), reduced_range=True)
    assert describe_arithmetic(reduced) == "W7A8, executed in integers"
    assert describe_arithmetic(plan_of(model, 7, 8)) == "W7A8, simulated, stored packed"
    assert describe_arithmetic(plan_of(model, 32, 4)) == "W32A4, simulated"
    assert describe_arithmetic(plan_of(model, 6, 8)) == "W6A8, simulated, stored packed"
    assert describe_arithmetic(plan_of(model, 8, 4)) == "W8A4, simulated, stored packed"
    assert describe_arithmetic(plan_of(model, 8, 32)) == "W8A32, computed in float32"
    assert describe_arithmetic(plan_of(model, dynamic=True)) == "W8A8 dynamic, executed in integers"


def test_training_reaches_weights_and_steps(model, batches):
    from compression.quantization.network import learn_steps_

    prepared = rounding(model, plan_of(model, 4, 4), batches, fold=False).train()
    learn_steps_(prepared)
    prepared(batches[0][0]).square().sum().backward()
    for name, layer in fake_layers(prepared).items():
        assert layer.weight.grad.abs().sum() > 0, name
        assert layer.weight_scale.grad.shape == layer.weight_scale.shape
    assert all(quantizer.scale.grad is not None for quantizer in quantizers(prepared).values())
