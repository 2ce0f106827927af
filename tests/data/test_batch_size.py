from types import SimpleNamespace

import pytest
import torch
from torch import nn

from compression.data import batch_size as module
from compression.data.batch_size import find_batch_size, measure_saved_bytes


def make_model():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(256, 5),
    )


def find(model=None, **options):
    options = {"image_size": 8, "num_classes": 5, "num_images": 10**6, "device": "cpu"} | options
    return find_batch_size(model or make_model(), **options)


def test_activations_saved_for_the_backward_pass_are_counted():
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5, bias=False))
    # float32: the images, the output of the ReLU (which the linear layer keeps too), the log-probabilities
    # and the labels of the loss (int64).
    expected = 4 * (3 * 64 + 4 * 64 + 5) + 8
    assert measure_saved_bytes(model, image_size=8, num_classes=5) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 1024),
        ({"limit": 300}, 256),
        ({"num_images": 8 * 100}, 64),
        ({"num_images": 8 * 128}, 128),
        ({"num_images": 3}, 2),
    ],
)
def test_limits(options, expected):
    assert find(**options) == expected


def test_memory_decides(monkeypatch):
    per_image = measure_saved_bytes(make_model(), image_size=8, num_classes=5)
    memory = SimpleNamespace(total=2 * 64 * per_image)
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: memory)
    assert find() == 64
    memory.total -= 2 * per_image
    assert find() == 32
    memory.total = 0
    assert find() == 2


def test_model_and_random_state_stay_as_they_are():
    model = make_model().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    find(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_halves_until_it_fits(monkeypatch):
    real = module._compute_loss

    def refuse_large(model, image_size, num_classes, num_images, device):
        if num_images > 100:
            raise torch.cuda.OutOfMemoryError
        return real(model, image_size, num_classes, num_images, device)

    monkeypatch.setattr(module, "_compute_loss", refuse_large)
    assert find(device="cuda") == 64
