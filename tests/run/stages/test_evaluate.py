"""Counts and sizes of the written files in the evaluate stage."""

import gzip
import io

import pytest
import torch
from tiny_net import TinyNet

from compression.core.counting import count_macs, count_parameters
from compression.run.stages.evaluate import _summarize_parity


@pytest.fixture
def evaluated(shared):
    """The stages of a run that compresses nothing."""
    return shared("strategy=none runtime.engines=[eager] until=evaluate")


def test_every_test_image_is_counted_once(evaluated):
    found = evaluated["evaluate"].results["dense"]
    assert found["test_images"] == 360
    assert list(found["accuracy_per_class"]) == [str(digit) for digit in range(10)]
    # The digits have nearly equal numbers of images, so the mean over digits is near the mean over images.
    assert sum(found["accuracy_per_class"].values()) / 10 == pytest.approx(found["accuracy"], abs=0.02)
    assert 360 * found["accuracy"] == pytest.approx(round(360 * found["accuracy"]))


def test_parameters_and_macs_are_counted_on_the_folded_network(evaluated):
    found, net = evaluated["evaluate"].results["dense"], TinyNet(num_classes=10, width=32)
    # 3x3 kernels from 3 to 32 and from 32 to 64 channels, a head of 64 x 10 + 10, and two batch norms. Folding replaces
    # the batch norms by one bias per channel.
    assert count_parameters(net) == 864 + 18432 + 650 + 2 * (32 + 64)
    assert found["parameters"] == 864 + 18432 + 650 + 32 + 64
    # The outputs have 8x8 and then 4x4 positions.
    assert found["macs"] == count_macs(net, 32) == 864 * 64 + 18432 * 16 + 640
    assert (found["sparsity"], set(found["layer_sparsity"].values())) == (0, {0})


def test_bytes_are_the_sizes_of_the_files(evaluated):
    results, files = evaluated["evaluate"].results, evaluated["export"].path
    for name in ("dense", "compressed"):
        assert results[name]["bytes"]["artifact"] == (files / "model.cmp").stat().st_size
        assert results[name]["bytes"]["onnx"] == (files / "model.onnx").stat().st_size
    weights = evaluated["dense"].path / "model.safetensors"
    assert results["dense"]["bytes"]["safetensors"] == weights.stat().st_size
    plain = io.BytesIO()
    torch.save(TinyNet(num_classes=10, width=32).state_dict(), plain)
    assert results["dense"]["bytes"]["gzip_state_dict"] == pytest.approx(len(gzip.compress(plain.getvalue())), rel=0.1)


def test_without_compression_both_models_have_the_same_results(evaluated):
    results = evaluated["evaluate"].results
    assert results["compressed"] | {"bytes": 0} == results["dense"] | {"bytes": 0}
    assert results["parity"] is None
    assert results["timing"]["steps"] is None


def test_a_parity_record_names_the_layers_in_float():
    layers = [{"name": "conv", "integer": True}, {"name": "head", "integer": False}]
    counts = {"convolution": {"integer": 1, "float": 0}, "linear": {"integer": 0, "float": 1}}
    parity = {"agreement": 1.0, "executed_layers": {"counts": counts, "layers": layers}}
    assert _summarize_parity(parity) == {
        "agreement": 1.0,
        "executed_layers": {"counts": counts, "in_float": ["head"]},
    }
