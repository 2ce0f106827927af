"""What the evaluate stage counts in the written files."""

import gzip
import io

import pytest
import torch
from tiny_net import TinyNet

from compression.core.counting import count_macs, count_parameters
from compression.run.stages.evaluate import _summarize_parity


@pytest.fixture
def evaluated(shared):
    """A run whose compressed model is the dense one."""
    return shared("strategy=none runtime.engines=[eager] until=evaluate")


def test_every_test_image_counts_once(evaluated):
    found = evaluated["evaluate"].results["dense"]
    assert found["test_images"] == 360
    assert list(found["accuracy_per_class"]) == [str(digit) for digit in range(10)]
    # As many images of each digit, to within a few: the mean over digits is near that over images.
    assert sum(found["accuracy_per_class"].values()) / 10 == pytest.approx(found["accuracy"], abs=0.02)
    assert 360 * found["accuracy"] == pytest.approx(round(360 * found["accuracy"]))


def test_counts_are_those_of_the_network(evaluated):
    found, net = evaluated["evaluate"].results["dense"], TinyNet(num_classes=10, width=32)
    # 3x3 kernels from 3 to 32 and from 32 to 64 channels, a head of 64 x 10 + 10, two batch norms; with those folded,
    # a bias for each channel is left.
    assert count_parameters(net) == 864 + 18432 + 650 + 2 * (32 + 64)
    assert found["parameters"] == 864 + 18432 + 650 + 32 + 64
    # 8x8 positions, then 4x4.
    assert found["macs"] == count_macs(net, 32) == 864 * 64 + 18432 * 16 + 640
    assert (found["sparsity"], set(found["layer_sparsity"].values())) == (0, {0})


def test_bytes_are_those_of_the_files(evaluated):
    results, files = evaluated["evaluate"].results, evaluated["export"].path
    for name in ("dense", "compressed"):
        assert results[name]["bytes"]["artifact"] == (files / "model.cmp").stat().st_size
        assert results[name]["bytes"]["onnx"] == (files / "model.onnx").stat().st_size
    weights = evaluated["dense"].path / "model.safetensors"
    assert results["dense"]["bytes"]["safetensors"] == weights.stat().st_size
    plain = io.BytesIO()
    torch.save(TinyNet(num_classes=10, width=32).state_dict(), plain)
    assert results["dense"]["bytes"]["gzip_state_dict"] == pytest.approx(len(gzip.compress(plain.getvalue())), rel=0.1)


def test_one_model_under_both_names_has_the_same_counts(evaluated):
    results = evaluated["evaluate"].results
    assert results["compressed"] | {"bytes": 0} == results["dense"] | {"bytes": 0}
    assert results["parity"] is None
    assert results["timing"]["steps"] is None


def test_a_parity_record_keeps_what_did_not_run_in_integers():
    layers = [{"name": "conv", "integer": True}, {"name": "head", "integer": False}]
    counts = {"convolution": {"integer": 1, "float": 0}, "linear": {"integer": 0, "float": 1}}
    parity = {"agreement": 1.0, "executed_layers": {"counts": counts, "layers": layers}}
    assert _summarize_parity(parity) == {
        "agreement": 1.0,
        "executed_layers": {"counts": counts, "in_float": ["head"]},
    }
