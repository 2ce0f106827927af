"""Tests of published weights, without a network connection."""

import pytest
import torch
from torch import nn
from torchvision import models

from compression.core.errors import InputError
from compression.models import imagenet
from compression.models.imagenet import check_fraction, check_num_classes, check_stem, load_imagenet_
from compression.models.resnet18 import resnet18

WEIGHTS = models.ResNet18_Weights.IMAGENET1K_V1


def test_failed_download_gives_an_error_of_one_line(monkeypatch):
    def fail(_, **kwargs):
        assert kwargs["check_hash"]
        assert kwargs["weights_only"]
        raise OSError("no route\nto host")

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(InputError) as caught:
        resnet18(num_classes=2, stem="imagenet", pretrained=True)
    assert str(caught.value) == (
        "model.pretrained=true: https://download.pytorch.org/models/resnet18-f37072fd.pth could not be "
        "downloaded (no route); allowed: a working connection, or model.weights=FILE"
    )


def test_all_weights_but_the_head_are_loaded(monkeypatch):
    """The head may have another number of classes."""
    published = {"body.weight": torch.ones(2, 3), "body.bias": torch.ones(2), "fc.weight": torch.ones(1000, 2)}
    monkeypatch.setattr(imagenet, "_download", lambda _: published)
    model = nn.ModuleDict({"body": nn.Linear(3, 2), "fc": nn.Linear(2, 4, bias=False)})
    head = model["fc"].weight.clone()
    load_imagenet_(model, WEIGHTS, without="fc.")
    assert model["body"].weight.tolist() == [[1, 1, 1]] * 2
    assert model["body"].bias.tolist() == [1, 1]
    assert torch.equal(model["fc"].weight, head)


def test_options_that_all_families_refuse():
    with pytest.raises(InputError, match=r"^model\.stem='svhn' is unknown; allowed: cifar, light, imagenet$"):
        check_stem("svhn")
    for value in (-0.1, 1.0, float("nan")):
        with pytest.raises(InputError, match=r"^model\.dropout=.* is out of range; allowed: 0 <= dropout < 1$"):
            check_fraction(value, name="dropout")
    with pytest.raises(InputError, match=r"^num_classes=0 is out of range; allowed: 1 or more$"):
        check_num_classes(0)
