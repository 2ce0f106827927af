import torch
from torch import nn

from compression.core.adapted_network import keep_contiguous_
from compression.core.channels_last import to_channels_last_


def is_channels_last(tensor):
    return tensor.is_contiguous(memory_format=torch.channels_last)


def test_tensors_of_four_dimensions_change_and_all_values_stay():
    net = nn.Conv2d(3, 4, 3)
    net.register_buffer("mask", torch.rand(2, 3, 4, 5, 6))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    weight = net.weight
    assert to_channels_last_(net) is net
    assert net.weight is weight
    assert is_channels_last(net.weight)
    assert net.mask.is_contiguous()
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


def test_a_network_in_contiguous_memory_stays():
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    keep_contiguous_(net)
    assert not is_channels_last(to_channels_last_(net)[0].weight)
