from pathlib import Path
from typing import Any

import pytest
import torch
from residual_net import Residual
from torch import nn

from compression.models.mobilenet_v2 import mobilenet_v2
from compression.runtimes.onnx_export import export_onnx


@pytest.fixture(scope="session")
def metadata() -> dict[str, Any]:
    """Return the description of the images that an exported network takes."""
    return {
        "image_size": 32,
        "class_names": ["cät", "dog", "eel"],
        "mean": [0.1, 0.2, 0.3],
        "std": [1, 0.5, 2],
    }


@pytest.fixture(scope="session", params=[Residual, pytest.param(mobilenet_v2, marks=pytest.mark.slow)])
def network(request: pytest.FixtureRequest) -> nn.Module:
    """Return a network in training mode whose batch norms have seen images."""
    torch.manual_seed(0)
    kwargs = {"width_mult": 0.35} if request.param is mobilenet_v2 else {}
    model: nn.Module = request.param(num_classes=3, **kwargs)
    model(torch.randn(8, 3, 32, 32))
    return model


@pytest.fixture(scope="session")
def network_onnx(network: nn.Module, metadata: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ONNX file of the same network, which tests only read."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    assert export_onnx(network, path, **metadata) == path.stat().st_size
    return path
