import numpy as np
import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.runtimes.sparse.sparse_engine import SparseRuntime
from compression.runtimes.sparse.sparse_network import check_memory


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9])
def test_a_batch_of_any_size_gives_the_logits_of_its_images(count: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3)).eval()
    images = torch.randn(count, 3, 5, 5)
    with torch.inference_mode():
        expected = network(images).numpy()
    found = SparseRuntime(vector=4).load(network, threads=3)(images.numpy())
    assert found.shape == (count, 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_an_empty_batch_has_no_logits() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    found = SparseRuntime(vector=4).load(network, threads=1)(np.zeros((0, 3, 2, 2), np.float32))
    assert found.shape == (0, 3)


def test_an_arena_larger_than_memory_is_refused() -> None:
    check_memory(1 << 20)
    with pytest.raises(InputError, match=r"the maps of this network need 1\.0 PiB|need 1048576|the machine has"):
        check_memory(1 << 50)
