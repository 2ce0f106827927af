import pytest
import torch

from compression.pruning.allocations.erk import Erk, erk_num_kept
from compression.pruning.allocations.uniform import Uniform

ERK_LAYERS = {"conv": torch.ones(4, 2, 3, 3), "linear": torch.ones(6, 4), "small": torch.ones(2, 2)}


def test_erk_literals():
    """The shares are 4 + 2 + 3 + 3, 6 + 4 and 2 + 2."""
    assert erk_num_kept(ERK_LAYERS, num_kept=13, floor=0) == {"conv": 6, "linear": 5, "small": 2}
    assert erk_num_kept(ERK_LAYERS, num_kept=26, floor=0) == {"conv": 12, "linear": 10, "small": 4}


def test_erk_layers_keep_at_most_their_size():
    """Of 44 weights the small layer would get 6.8: it stays dense, and 40 weights are shared as 12 : 10."""
    assert erk_num_kept(ERK_LAYERS, num_kept=44, floor=0) == {"conv": 22, "linear": 18, "small": 4}
    assert erk_num_kept(ERK_LAYERS, num_kept=100, floor=0) == {"conv": 72, "linear": 24, "small": 4}


def test_erk_density_is_that_of_the_paper():
    layers = {"a": torch.ones(64, 32, 3, 3), "b": torch.ones(128, 64, 1, 1), "c": torch.ones(100, 128)}
    kept = Erk()(layers, 1000, final=1000)
    raw = {name: sum(layer.shape) / layer.numel() for name, layer in layers.items()}
    factor = 1000 / sum(raw[name] * layer.numel() for name, layer in layers.items())
    for name, layer in layers.items():
        assert kept[name] == pytest.approx(factor * raw[name] * layer.numel(), abs=1)


def test_erk_over_channels_is_uniform():
    channels = {"a": torch.rand(16), "b": torch.rand(40), "c": torch.rand(7)}
    for num_kept in range(3, 64):
        assert Erk()(channels, num_kept, final=3) == Uniform()(channels, num_kept, final=3)


def test_erk_keeps_the_floor():
    assert Erk(floor=2)(ERK_LAYERS, 40, final=40)["linear"] >= 12
