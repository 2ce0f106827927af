"""The ONNX file of a quantized network: its layers run in integers, and its logits match the simulation."""

import functools

import numpy as np
import onnx
import pytest
import torch
from processors import SaturatingRuntime
from residual_net import Residual, randomize_

from compression.core.tracing import trace
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized
from compression.runtimes.cpu_features import read_cpu_features, saturates_u8s8
from compression.runtimes.executed_layers import read_integer_layers
from compression.runtimes.onnx_export import export_onnx
from compression.runtimes.onnxruntime import OnnxRuntime
from compression.runtimes.openvino import OpenVinoRuntime

CARD = {"image_size": 12, "class_names": list("abcd"), "mean": [0.0] * 3, "std": [1.0] * 3}


@pytest.fixture(scope="module")
def images():
    return torch.randn(32, 3, 12, 12, generator=torch.Generator().manual_seed(3))


def quantize(images, weight, activation, *, dynamic=False):
    """Return the integer network, its logits of ``images``, and its plan."""
    torch.manual_seed(1)
    model = randomize_(Residual())
    layers = dict.fromkeys(quantizable_layers(model), Bits(weight, activation))
    plan = make_plan(model, layers, activation_bits=activation, dynamic=dynamic)
    made = quantized(model, plan, Calibration(MinMax, MinMax, 1), [(images, None)])
    network = integer_network(trace(model), plan).eval()
    network.load_state_dict(integer_state(made.network, plan))
    with torch.no_grad():
        return network, network(images).numpy(), plan


@pytest.fixture(scope="module")
def export(images, tmp_path_factory):
    """Function that returns the file, the simulated logits and the plan of a network with the given bits, cached."""

    @functools.cache
    def make(weight, activation, *, dynamic=False):
        network, simulated, plan = quantize(images, weight, activation, dynamic=dynamic)
        path = tmp_path_factory.mktemp("export") / "model.onnx"
        export_onnx(network, path, **CARD)
        return path, simulated, plan

    return make


def check_integers(path, images, simulated, engine):
    found = read_integer_layers(path)
    assert found.count("convolution", integer=True) == 2
    assert found.count("linear", integer=True) == 1
    # This includes the sum, the two poolings and, below 8 bits, the clips.
    assert found.count(integer=False) == 0
    assert (found.quantize, found.dequantized_constants) == (1, 0)
    executed = engine().load(path, threads=1)(images.numpy())
    # Most logits are equal. If a sum lies between two integers, engine and simulation may round it differently.
    difference = np.abs(executed - simulated)
    assert np.median(difference) < 1e-5
    assert np.mean(executed.argmax(1) == simulated.argmax(1)) > 0.9


# 7-bit weights do not saturate on any processor.
@pytest.mark.parametrize(("weight", "activation"), [(7, 8), (4, 4), pytest.param(2, 3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("engine", [OnnxRuntime, OpenVinoRuntime])
def test_every_layer_runs_in_integers(export, images, weight, activation, engine):
    path, simulated, _ = export(weight, activation)
    check_integers(path, images, simulated, engine)


@pytest.mark.skipif(saturates_u8s8(read_cpu_features()), reason="this processor adds products with saturation")
@pytest.mark.parametrize("engine", [OnnxRuntime, OpenVinoRuntime])
def test_8_bits_run_in_integers_if_no_sum_saturates(export, images, engine):
    path, simulated, _ = export(8, 8)
    check_integers(path, images, simulated, engine)


@pytest.mark.parametrize(("weight", "is_right"), [(7, True), (8, False)])
def test_on_saturating_processors_7_bits_are_right_and_8_are_wrong(images, weight, is_right):
    network, simulated, _ = quantize(images, weight, 8)
    executed = SaturatingRuntime().load(network, threads=1)(images.numpy())
    assert (np.abs(executed - simulated).max() < 1e-5) == is_right


def test_weights_and_clips_in_the_file_have_few_bits(export):
    path, _, plan = export(4, 4)
    graph = onnx.load(path).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = [value for value in constants.values() if value.dtype == np.int8 and value.ndim > 1]
    assert len(weights) == 3
    assert max(np.abs(value).max() for value in weights) == 7
    clips = {tuple(int(constants[name]) for name in node.input[1:]) for node in graph.node if node.op_type == "Clip"}
    # Unsigned 4-bit values end at 15. Signed values are stored around 128.
    assert clips == {(0, 15), (120, 135)}
    assert sum(node.op_type == "Clip" for node in graph.node) >= len(plan.activations)


def test_scales_found_at_run_time_match_the_simulation(export, images):
    path, simulated, _ = export(8, 8, dynamic=True)
    found = read_integer_layers(path)
    assert (found.count("convolution", integer=True), found.count("convolution", integer=False)) == (2, 0)
    assert found.count("linear", integer=True) == 1
    executed = OnnxRuntime().load(path, threads=1)(images.numpy())
    np.testing.assert_allclose(executed, simulated, rtol=0.02, atol=0.02)


def test_quantized_weights_alone_are_computed_in_float(export, images):
    path, simulated, _ = export(8, 32)
    assert read_integer_layers(path).count("convolution", integer=True) == 0
    executed = OnnxRuntime().load(path, threads=1)(images.numpy())
    np.testing.assert_allclose(executed, simulated, rtol=1e-4, atol=1e-5)


def test_a_float_layer_between_integers_stays_float(export, images):
    path, simulated, _ = export(32, 8)
    assert read_integer_layers(path).count("convolution", integer=True) == 0
    executed = OnnxRuntime().load(path, threads=1)(images.numpy())
    assert np.median(np.abs(executed - simulated)) < 1e-5


# tests/runtimes/test_onnx_export.py tests the same for a float network.
@pytest.mark.slow
def test_the_same_network_gives_the_same_bytes(export, images, tmp_path):
    path, _, _ = export(7, 8)
    export_onnx(quantize(images, 7, 8)[0], tmp_path / "again.onnx", **CARD)
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()
