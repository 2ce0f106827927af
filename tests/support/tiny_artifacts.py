"""Small networks and their artifacts."""

import torch
from torch import nn

from compression.artifact import save_artifact
from compression.core.container import read_container, write_container
from compression.models.mobilenet_v2 import mobilenet_v2

MOBILENET = "compression.models.mobilenet_v2.mobilenet_v2"

INPUT = {"size": 8, "mean": [0.1, 0.2, 0.3], "std": [1.0, 0.5, 0.25], "channels": 3}


class Tiny(nn.Sequential):
    def __init__(self, *, num_classes, width=2):
        super().__init__(
            nn.Conv2d(3, width, 3),
            nn.BatchNorm2d(width),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, num_classes),
        )


def make_tiny(seed=0, **kwargs):
    torch.manual_seed(seed)
    model = Tiny(num_classes=2, **kwargs)
    model(torch.randn(4, 3, 8, 8))
    with torch.no_grad():
        model[0].weight[:, 1:] = 0
    return model


def save_tiny(path, model=None, **changes):
    arguments = {
        "architecture": {"target": "nowhere.Tiny", "kwargs": {}, "num_classes": 2},
        "class_names": ["cat", "dog"],
        "input": INPUT,
        "info": {"strategy": "oneshot_l1", "sparsity": 0.6},
    } | changes
    return save_artifact(path, model or make_tiny(), **arguments)


def save_mobilenet(path, **kwargs):
    torch.manual_seed(0)
    model = mobilenet_v2(num_classes=3, width_mult=0.02, **kwargs)
    model(torch.randn(4, 3, 16, 16))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand_like(parameter) > 0.9)
    save_artifact(
        path,
        model,
        architecture={"target": MOBILENET, "kwargs": {"width_mult": 0.02, **kwargs}, "num_classes": 3},
        class_names=["a", "b", "c"],
        input=INPUT,
    )
    return model.eval()


def rewrite(path, change):
    """Change the header of an artifact and write it back with valid checksums."""
    header, sections = read_container(path)
    change(header)
    path.write_bytes(write_container(header, sections=sections))


def assert_same_state(actual, expected):
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype, name
        assert torch.equal(actual[name], tensor), name
