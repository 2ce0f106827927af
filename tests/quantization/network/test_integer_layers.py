import torch
from integer_nets import plan_of, rounding, to_integers
from torch.nn import functional as F

from compression.quantization.network.integer_layers import DynamicLayer, IntegerLayer
from compression.quantization.observers.min_max import MinMax
from compression.quantization.post_training import Calibration, quantized


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
