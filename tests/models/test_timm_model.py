import builtins

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
    with pytest.raises(InputError, match=r"^model.name='resnet19' is no model of timm .*; close to it: .*resnet18"):
        timm_model(name="resnet19", num_classes=3)


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/somewhere"])
def test_addresses_are_refused(name):
    pytest.importorskip("timm")
    with pytest.raises(InputError, match="is no model of timm"):
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
    real = builtins.__import__

    def importer(name, *args, **kwargs):
        if name == "timm":
            raise ModuleNotFoundError("No module named 'timm'", name="timm")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importer)
    with pytest.raises(InputError) as caught:
        timm_model(name="resnet18", num_classes=3)
    assert str(caught.value) == "model=timm needs the extra `timm`: pip install 'compression[timm]'"
