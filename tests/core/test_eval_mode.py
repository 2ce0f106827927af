import pytest
from torch import nn

from compression.core.eval_mode import evaluating


def make_net():
    """Return a network in training mode, except for its inner batch norm."""
    net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)))
    net[1][0].eval()
    return net


def test_every_module_goes_back_to_its_own_mode():
    net = make_net()
    before = [module.training for module in net.modules()]
    assert before == [True, True, True, False, True]
    with evaluating(net):
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net.modules()] == before


def test_modes_are_restored_after_an_error():
    net = make_net()
    with pytest.raises(ZeroDivisionError), evaluating(net):
        raise ZeroDivisionError
    assert [module.training for module in net.modules()] == [True, True, True, False, True]
