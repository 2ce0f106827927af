"""Complete networks in the sparse engine."""

import numpy as np
import pytest
import torch
from torch import nn

from compression.core.batch_norm import reestimate_batch_norm_
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.models.vgg11 import vgg11
from compression.runtimes.sparse.program import Map
from compression.runtimes.sparse.sparse_engine import SparseRuntime

NETWORKS = {
    "mobilenet_v2": lambda: mobilenet_v2(num_classes=10, width_mult=0.5, stem="imagenet"),
    "resnet18": lambda: resnet18(num_classes=10, width_mult=0.25, stem="imagenet"),
    "vgg11": lambda: vgg11(num_classes=10, width_mult=0.25),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pruned_network_agrees_with_eager(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    images = torch.randn(19, 3, 32, 32)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d) and layer.groups == 1:
                layer.weight *= torch.rand_like(layer.weight) < 0.3
    reestimate_batch_norm_(network, [(images, torch.zeros(19))], 1)
    predict = SparseRuntime().load(network, threads=1)
    with torch.inference_mode():
        exact = network.double().eval()(images.double()).numpy()
        eager = network.float()(images).numpy()
    largest = np.abs(exact).max()
    assert np.abs(exact[0] - exact[1]).max() > 1e-2 * largest
    allowed = max(1e-5, 3 * np.abs(eager - exact).max() / largest)
    assert np.abs(predict(images.numpy()) - exact).max() / largest < allowed
    assert np.abs(predict(images.numpy()[:1]) - exact[:1]).max() / largest < allowed


def test_threads_do_not_change_a_bit() -> None:
    torch.manual_seed(0)
    network = NETWORKS["resnet18"]().eval()
    images = torch.randn(40, 3, 32, 32).numpy()
    one, two = (SparseRuntime().load(network, threads=threads)(images) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_a_map_counts_its_pixels() -> None:
    assert Map(3, 4, 5).positions == 20
    assert Map(7).shape == (7, 1, 1)
