import os
import sys
from types import SimpleNamespace

import pytest
import torch
from runs import compose_config

from compression.core.errors import InputError
from compression.data.digits import Digits
from compression.run.machine import available_cores, check_devices, resolve_device, resolve_precision


def test_only_cores_of_this_process_are_counted(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert available_cores() == 8
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.parametrize(("there", "device"), [(True, torch.device("cuda", 0)), (False, torch.device("cpu"))])
def test_auto_takes_cuda_if_it_is_available(monkeypatch, there, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert resolve_device("auto") == device
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("accelerator", "name"), [("cuda", "CUDA device"), ("mps", "Apple GPU")])
def test_an_unavailable_device_is_refused(monkeypatch, accelerator, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError) as caught:
        resolve_device(accelerator)
    assert str(caught.value) == f"trainer.accelerator={accelerator}: no {name} is available; allowed here: auto, cpu"


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_precision_is_bf16_only_if_it_is_native(monkeypatch, native, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native and not including_emulation)
    assert resolve_precision("auto", torch.device("cuda", 0)) == expected
    assert resolve_precision("auto", torch.device("cpu")) == "32-true"
    assert resolve_precision("16-mixed", torch.device("cuda", 0)) == "16-mixed"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("data.batch_size=auto",), "trainer.devices=2 splits data.batch_size=auto"),
        (("data.batch_size=big",), "trainer.devices=2 splits data.batch_size=big: must be a number"),
        (("data.batch_size=64.5",), "trainer.devices=2 splits data.batch_size=64.5: must be a number"),
        (("~data.batch_size", "data._target_=types.SimpleNamespace"), "splits data.batch_size=None: must be a number"),
        (("data.batch_size=3",), "trainer.devices=2 splits data.batch_size=3"),
        (("distillation=feature",), "trainer.devices=2 contradicts distillation=feature"),
    ],
)
def test_devices_that_cannot_train_together_are_refused(overrides, message) -> None:
    with pytest.raises(InputError, match=message):
        check_devices(compose_config("trainer.devices=2", *overrides), torch.device("cpu"))
    check_devices(compose_config("trainer.devices=1", *overrides), torch.device("cpu"))


def test_a_process_started_by_another_launcher_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(InputError, match="starts its processes itself"):
        check_devices(compose_config("trainer.devices=2"), torch.device("cpu"))


class OwnDigits(Digits):
    """A data set that passes its other arguments on."""

    def __init__(self, *, label="", **settings):
        super().__init__(**settings)
        self.label = label


@pytest.mark.parametrize("target", ["compression.data.digits.Digits", f"{__name__}.OwnDigits"])
def test_a_data_set_without_a_configured_batch_size_has_its_default(monkeypatch, target) -> None:
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(OwnDigits=OwnDigits))
    config = compose_config("trainer.devices=2", "~data.batch_size", f"data._target_={target}")
    check_devices(config, torch.device("cpu"))
    many = compose_config("trainer.devices=99", "~data.batch_size", f"data._target_={target}")
    with pytest.raises(InputError, match=r"trainer\.devices=99 splits data.batch_size=128: must be a number"):
        check_devices(many, torch.device("cpu"))
