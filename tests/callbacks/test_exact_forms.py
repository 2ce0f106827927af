from types import SimpleNamespace

import torch
from torch import nn

from compression.callbacks.exact_forms import ExactForms
from compression.core.conv_forms import RowsConv2d

EXAMPLE = torch.zeros(1, 8, 1, 1)


def start(callback: ExactForms, net: nn.Module, *, resumed: bool = False) -> SimpleNamespace:
    module = SimpleNamespace(net=net, device=torch.device("cpu"))
    callback.on_fit_start(SimpleNamespace(ckpt_path="last.ckpt" if resumed else None), module)
    return module


def test_forms_are_used_from_the_start_to_the_end() -> None:
    net = nn.Sequential(nn.Conv2d(8, 4, 1))
    callback = ExactForms(EXAMPLE)
    module = start(callback, net)
    assert type(net[0]) is RowsConv2d
    assert callback.state_dict() == {"forms": {"0": "rows"}}
    callback.teardown(None, module, "fit")
    assert type(net[0]) is nn.Conv2d


def test_a_resumed_training_uses_the_forms_it_began_with() -> None:
    for forms in ({"0": "rows"}, {}):
        net = nn.Sequential(nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 1))
        callback = ExactForms(EXAMPLE)
        callback.load_state_dict({"forms": forms})
        start(callback, net, resumed=True)
        assert {name for name, module in net.named_modules() if type(module) is RowsConv2d} == set(forms)
        assert callback.state_dict() == {"forms": forms}


def test_a_checkpoint_of_a_version_without_forms_goes_on_without_them() -> None:
    net = nn.Sequential(nn.Conv2d(8, 4, 1))
    start(ExactForms(EXAMPLE), net, resumed=True)
    assert type(net[0]) is nn.Conv2d


def test_an_exception_leaves_the_network_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(8, 4, 1))
    callback = ExactForms(EXAMPLE)
    module = start(callback, net)
    callback.on_exception(None, module, KeyError())
    assert type(net[0]) is nn.Conv2d
