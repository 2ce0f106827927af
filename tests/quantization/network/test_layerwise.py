from types import SimpleNamespace

import psutil
import pytest
import torch
from rounding_nets import ResidualNet, fold, randomize_
from torch import nn

from compression.core.tracing import trace
from compression.quantization.network import layerwise
from compression.quantization.network.layerwise import LayerWalk, layer_nodes


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.shared(self.shared(x)))


def batches():
    return list(torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(1)).split(2))


def inputs_by_hook(network, name, images):
    seen = []
    hook = network.get_submodule(name).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        for batch in images:
            network(batch)
    hook.remove()
    return seen


def test_layers_are_in_the_order_of_execution_and_called_once():
    assert list(layer_nodes(fold(ResidualNet().eval()))) == ["stem", "first", "second", "hidden", "head"]
    assert list(layer_nodes(trace(Twice()))) == ["head"]


# Nothing kept, one batch kept (its widest place is that of the other whole batch), all kept.
@pytest.mark.parametrize("max_bytes", [0, 8000, 2**20, None])
def test_inputs_reflect_changes_of_earlier_layers(max_bytes):
    network, images = fold(randomize_(ResidualNet())), batches()
    walk = LayerWalk(network, images, max_bytes=max_bytes)
    for name, node in layer_nodes(network).items():
        found = list(walk.inputs(node))
        torch.testing.assert_close(found, inputs_by_hook(network, name, images), rtol=0, atol=0)
        with torch.no_grad():
            network.get_submodule(name).bias += 1


def test_kept_memory_is_bounded():
    network, images = fold(randomize_(ResidualNet())), batches()
    kept = []
    for max_bytes in (0, 2 * 4 * 36 * 20 - 1, 2 * 4 * 36 * 20, 2**20):
        walk = LayerWalk(network, images, max_bytes=max_bytes)
        kept.append(len(walk._kept))
    # At its widest two images of 6x6: x, y and what ReLU makes of y, 6 + 8 channels and 8 or 6 more.
    assert kept == [0, 0, 0, 3]


@pytest.mark.parametrize(("free", "kept"), [(0, 2), (8 * 2**15, 4), (2**30, 6)])
def test_activations_may_take_an_eighth_of_the_free_memory(monkeypatch, free, kept):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    monkeypatch.setattr(layerwise, "_LEAST_BYTES", 2**14)
    # A batch has 4 KiB, and so has what the layer makes of it.
    walk = LayerWalk(trace(nn.Sequential(nn.Linear(4, 4))), torch.zeros(6 * 256, 4).split(256))
    assert len(walk._kept) == kept


def test_layers_cannot_be_walked_backwards():
    network = fold(randomize_(ResidualNet()))
    nodes = layer_nodes(network)
    walk = LayerWalk(network, batches())
    list(walk.inputs(nodes["second"]))
    with pytest.raises(AssertionError, match="passed already"):
        list(walk.inputs(nodes["stem"]))
