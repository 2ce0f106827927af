import re

import pytest
import torch
from small_files import run
from torch import nn

from compression.artifact import load_artifact, save_artifact
from compression.commands.sparse_cost import describe_sparse_cost
from compression.core.counting import count_macs, count_nonzero_macs
from compression.models.mobilenet_v2 import mobilenet_v2


@pytest.fixture
def sparse_file(tmp_path):
    """Function that writes a MobileNetV2 with this fraction of zeros in each layer."""

    def write(zeros):
        torch.manual_seed(0)
        model = mobilenet_v2(num_classes=2, width_mult=0.25)
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.weight.data *= torch.rand_like(module.weight) >= zeros
        architecture = {"target": "compression.models.mobilenet_v2.mobilenet_v2", "kwargs": {"width_mult": 0.25}}
        input_ = {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}
        names = ["blue", "red"]
        save_artifact(
            tmp_path / "m.cmp", model, architecture=architecture | {"num_classes": 2}, class_names=names, input=input_
        )
        return tmp_path / "m.cmp"

    return write


@pytest.mark.parametrize(("zeros", "words"), [(0.9, "below 0.5, so it should"), (0.2, "not below 0.5, so a dense")])
def test_the_density_decides(sparse_file, zeros, words):
    path = sparse_file(zeros)
    model = load_artifact(path, max_bytes=None).model
    left, macs = count_nonzero_macs(model, 32), count_macs(model, 32)
    assert left / macs == pytest.approx(1 - zeros, abs=0.05)
    text = describe_sparse_cost(path, max_bytes=None)
    assert f"{left / 1e6:.2f} M of {macs / 1e6:.2f} M MACs" in text
    assert f"density {left / macs:.3f}, {words}" in text
    assert text in re.sub(r"\n\n+", "\n\n", run("inspect", path).stdout)


def test_an_architecture_of_the_user_is_not_imported(folder):
    text = describe_sparse_cost(folder / "own.cmp", max_bytes=None)
    assert text.startswith("engine sparse: cost not known: model colour_net.Net is not one of compression.models")
    assert "\n" not in text


@pytest.mark.parametrize("size", [8000, 65536])
def test_a_tiny_file_cannot_require_the_memory_of_a_huge_image(tmp_path, monkeypatch, size):
    def refuse(*_, **__):
        raise AssertionError("the network ran")

    architecture = {"target": "compression.models.mobilenet_v2.mobilenet_v2", "kwargs": {"width_mult": 0.1}}
    save_artifact(
        tmp_path / "m.cmp",
        mobilenet_v2(num_classes=2, width_mult=0.1),
        architecture=architecture | {"num_classes": 2},
        class_names=["blue", "red"],
        input={"size": size, "mean": [0.5] * 3, "std": [0.5] * 3},
    )
    for name in ("lower", "layer_macs", "count_nonzero_macs"):
        monkeypatch.setattr(f"compression.commands.sparse_cost.{name}", refuse)
    result = run("inspect", tmp_path / "m.cmp")
    assert result.exit_code == 0, result.output
    line = result.stdout.splitlines()[-1]
    assert line.startswith(f"engine sparse: cost not known: an image of {size}x{size} pixels needs ")
    assert line.endswith(" for the results of its layers; allowed: --max-bytes, 512.00 MiB")


def test_more_memory_may_be_allowed(sparse_file):
    path = sparse_file(0.9)
    # Enough for the decoded tensors, and not for the results of a run.
    assert "cost not known: an image of 32x32" in describe_sparse_cost(path, max_bytes=4_000_000)
    assert "density" in describe_sparse_cost(path, max_bytes=8_000_000)
