import sys

import pytest
import torch

from compression.core.errors import InputError
from compression.models.timm_model import timm_model


def test_builds_by_name():
    pytest.importorskip("timm")
    model = timm_model(name="mobilenetv3_small_050", num_classes=3, drop_rate=0.1)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 3)


def test_unknown_name_lists_close_ones():
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=r"^model.name='resnet19' is not a model of timm .*; close to it: .*resnet18"):
        timm_model(name="resnet19", num_classes=3)


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/somewhere"])
def test_addresses_are_refused(name):
    pytest.importorskip("timm")
    with pytest.raises(InputError, match="is not a model of timm"):
        timm_model(name=name, num_classes=3)


def test_files_are_refused():
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=r"^model\.checkpoint_path is not allowed for timm models"):
        timm_model(name="resnet18", num_classes=3, checkpoint_path="weights.pth")


def test_unknown_argument_is_named():
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=r"^model.name=resnet18: .*widht"):
        timm_model(name="resnet18", num_classes=3, widht=2)


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError) as caught:
        timm_model(name="resnet18", num_classes=3)
    assert str(caught.value) == 'timm is not installed: pip install "compression[timm]"'


def test_grey_images_need_one_channel():
    pytest.importorskip("timm")
    net = timm_model(name="mobilenetv3_small_050", num_classes=3, in_channels=1).eval()
    assert net.conv_stem.weight.shape[1] == 1
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
