import copy

import pytest
import torch
from torch import nn

from compression.analysis.layer_errors import measure_layer_errors


class Two(nn.Module):
    """A convolution of one weight, an in-place ReLU, and a linear head."""

    def __init__(self, *, first=1.0, second=1.0, channels=1):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(channels, 2, bias=False)
        nn.init.constant_(self.conv.weight, first)
        nn.init.constant_(self.head.weight, second)

    def forward(self, images):
        return self.head(self.relu(self.conv(images)).mean((2, 3)))


IMAGES = [torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(0)), torch.rand(3, 3, 4, 4)]


def test_by_hand_largest_error_first():
    # The convolution is off by a tenth: 20 dB. So is the input of the head, whose weight is off by a tenth as well:
    # 0.9 * 0.9 = 0.81, an error of 0.19, so 14.42 dB.
    rows = measure_layer_errors(Two(), Two(first=0.9, second=0.9), IMAGES)
    assert [row["name"] for row in rows] == ["head", "conv"]
    assert [row["snr_db"] for row in rows] == pytest.approx([14.4249, 20.0], abs=1e-3)


def test_the_formula_over_all_outputs():
    dense, compressed = Two(first=0.5, channels=4), Two(channels=4)
    torch.nn.init.normal_(compressed.conv.weight, generator=torch.Generator().manual_seed(1))
    rows = {row["name"]: row["snr_db"] for row in measure_layer_errors(dense, compressed, IMAGES)}
    with torch.no_grad():
        wanted, found = (net.conv(torch.cat(IMAGES)).double() for net in (dense, compressed))
    ratio = wanted.square().sum() / (wanted - found).square().sum()
    assert rows["conv"] == pytest.approx(10 * ratio.log10().item(), abs=1e-4)


def test_an_activation_in_place_does_not_change_what_is_compared():
    # Outputs are negative, so a ReLU would make all of them zero.
    rows = measure_layer_errors(Two(first=-1.0), Two(first=-0.9), IMAGES)
    assert [row["snr_db"] for row in rows if row["name"] == "conv"] == pytest.approx([20.0], abs=1e-3)


def test_layers_that_cannot_be_compared_say_why_and_come_last():
    rows = measure_layer_errors(Two(channels=4), Two(channels=2, second=2.0), IMAGES)
    assert rows == [
        {"name": "conv", "snr_db": None, "reason": "its output is 2x4x4, 4x4x4 in the dense network"},
        {"name": "head", "snr_db": None, "reason": "its output is the same"},
    ]
    known = measure_layer_errors(Two(), Two(first=0.9), IMAGES, incomparable={"conv": "it was rescaled"})
    assert [row["name"] for row in known] == ["head", "conv"]
    assert known[1] == {"name": "conv", "snr_db": None, "reason": "it was rescaled"}


def test_layers_that_are_missing_dead_or_never_run():
    dense = Two()
    dense.extra = nn.Linear(1, 1)
    [row] = [row for row in measure_layer_errors(dense, Two(first=0.9), IMAGES) if row["name"] == "extra"]
    assert row["reason"] == "the compressed network has no such layer"
    [row] = [row for row in measure_layer_errors(dense, copy.deepcopy(dense), IMAGES) if row["name"] == "extra"]
    assert row["reason"] == "it never runs"
    [row] = [row for row in measure_layer_errors(Two(first=0.0), Two(), IMAGES) if row["name"] == "conv"]
    assert row["reason"] == "its output is zero or not finite"
    [row] = [row for row in measure_layer_errors(Two(), Two(first=float("nan")), IMAGES) if row["name"] == "conv"]
    assert row["reason"] == "its output is zero or not finite"


def test_hooks_and_modes_are_restored():
    dense, compressed = Two().train(), Two(first=0.9).eval()
    measure_layer_errors(dense, compressed, IMAGES)
    assert (dense.training, compressed.training) == (True, False)
    assert not dense.conv._forward_hooks
    assert not compressed.head._forward_hooks
