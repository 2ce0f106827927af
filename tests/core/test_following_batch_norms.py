import pytest
import torch
import torchvision
from torch import nn

from compression.core.batch_norm import following_batch_norms

EXAMPLE = torch.zeros(1, 3, 32, 32)


def found(model, example=EXAMPLE):
    """Names of weights and of the batch norms that follow them."""
    names = {module: name for name, module in model.named_modules()}
    return {weight: names[norm] for weight, norm in following_batch_norms(model, example).items()}


def test_literals():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.BatchNorm2d(4),
        nn.Flatten(), nn.Linear(4 * 28 * 28, 5), nn.BatchNorm1d(5), nn.Linear(5, 2),
    )  # fmt: skip
    assert found(model) == {"0.weight": "1", "7.weight": "8"}


@pytest.mark.parametrize("inplace", [False, True])
def test_an_activation_between_them_counts(inplace):
    """In place it hands on the very tensor of the convolution."""
    assert found(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=inplace), nn.BatchNorm2d(4))) == {}


def test_normalization_before_the_convolution_does_not_follow():
    assert found(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3), nn.GELU())) == {}


def test_without_batch_norm():
    assert found(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))) == {}


def test_resnet():
    """All 20 convolutions, those of the shortcuts too, whichever order the modules were made in."""
    names = found(torchvision.models.resnet18())
    assert len(names) == 20
    assert names["conv1.weight"] == "bn1"
    assert names["layer2.0.conv2.weight"] == "layer2.0.bn2"
    assert names["layer2.0.downsample.0.weight"] == "layer2.0.downsample.1"


def test_densenet():
    """A dense layer normalizes what it reads; its second norm follows its first convolution."""
    names = found(torchvision.models.DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8))
    assert names["features.conv0.weight"] == "features.norm0"
    block = "features.denseblock1.denselayer1"
    assert names[f"{block}.conv1.weight"] == f"{block}.norm2"
    assert f"{block}.conv2.weight" not in names
    assert "features.transition1.conv.weight" not in names
    assert len(names) == 1 + 4


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    assert found(model) == {"0.weight": "1"}
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [True, True, False]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model)


def test_the_model_is_left_as_it_was_after_an_error():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(RuntimeError):
        following_batch_norms(model, torch.zeros(1, 5, 8, 8))
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model)
