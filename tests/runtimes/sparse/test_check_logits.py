"""The sparse engine does not run a network whose operations it writes wrongly."""

import numpy as np
import pytest
import torch
from residual_net import Residual, randomize_
from torch import nn

from compression.core.errors import InputError
from compression.runtimes.sparse.check_logits import check_logits
from compression.runtimes.sparse.handlers import call, find_handler
from compression.runtimes.sparse.sparse_engine import SparseRuntime


def test_equal_logits_pass() -> None:
    network, images = randomize_(Residual()), np.random.default_rng(0).standard_normal((3, 3, 12, 12), dtype=np.float32)
    with torch.inference_mode():
        logits = network(torch.from_numpy(images)).numpy()
    check_logits(network, images, logits)
    with pytest.raises(InputError, match=r"logits differ from PyTorch's by .* \(the largest is .*\)"):
        check_logits(network, images, -logits)
    with pytest.raises(InputError, match="by nan"):
        check_logits(network, images, logits * np.nan)


def test_logits_that_are_no_numbers_are_the_networks_own() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    nn.init.constant_(network[1].weight, torch.inf)  # type: ignore[arg-type]
    images = np.ones((1, 3, 2, 2), dtype=np.float32)
    check_logits(network, images, np.zeros((1, 2), dtype=np.float32))


def test_a_wrong_handler_is_found_at_the_first_images(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(this: call.Call) -> call.Map:
        return this.source

    monkeypatch.setitem(find_handler._HANDLERS, nn.ReLU6, forget)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()
    predict = SparseRuntime().load(network, threads=1)
    images = np.random.default_rng(0).standard_normal((1, 3, 8, 8), dtype=np.float32)
    for _ in range(2):
        with pytest.raises(InputError, match="no correct kernel"):
            predict(images)


def test_logits_that_cancel_may_differ_by_rounding() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False))
    nn.init.constant_(network[1].weight, 1.0)  # type: ignore[arg-type]
    images = np.zeros((1, 3, 2, 2), dtype=np.float32)
    check_logits(network, images, np.full((1, 1), 1e-9, dtype=np.float32))
    with pytest.raises(InputError):
        check_logits(network, images, np.full((1, 1), 1e-3, dtype=np.float32))


def test_a_network_may_overwrite_its_input() -> None:
    class Overwrites(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mul_(-1).mean((2, 3))

    images = np.ones((2, 3, 4, 4), dtype=np.float32)
    check_logits(Overwrites(), images, -np.ones((2, 3), dtype=np.float32))
    assert (images == 1).all()
