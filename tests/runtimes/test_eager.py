import numpy as np
import pytest
import torch
from torch import nn

from compression.runtimes.eager import EagerRuntime


def make_images(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 32, 32), dtype=np.float32)


def test_eager_is_the_model_in_eval_mode(network):
    images = make_images(4)
    predict = EagerRuntime().load(network, threads=torch.get_num_threads())
    assert network.training
    network.eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(images))
    network.train()
    logits = predict(images)
    assert logits.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-5, rtol=1e-4)
    assert next(network.parameters()).is_contiguous()


def test_eager_sets_the_threads(network):
    before = torch.get_num_threads()
    EagerRuntime().load(network, threads=1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_may_overwrite_its_input(channels):
    class Overwrites(nn.Module):
        def forward(self, images):
            return images.sub_(0.5).mean((2, 3))

    images = np.random.default_rng(0).normal(size=(2, channels, 4, 4)).astype(np.float32)
    predict = EagerRuntime().load(Overwrites(), threads=1)
    before = images.copy()
    assert np.array_equal(predict(images), predict(images))
    assert np.array_equal(images, before)
