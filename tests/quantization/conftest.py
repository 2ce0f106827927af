"""Fixtures: a small network to quantize, and images for it."""

import pytest
import torch
from residual_net import Residual, randomize_


@pytest.fixture
def model():
    torch.manual_seed(1)
    return randomize_(Residual())


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(2)
    return [(torch.randn(16, 3, 12, 12, generator=generator), None) for _ in range(3)]
