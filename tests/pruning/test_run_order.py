import torch
from torch import nn
from torch.nn import functional as F

from compression.core.selection import mark_idle_
from compression.pruning.run_order import list_weight_reads

EXAMPLE = torch.zeros(1, 3, 4, 4)


class Net(nn.Module):
    """Defines its layers in another order than it uses them, one of them twice and one outside its forward."""

    def __init__(self):
        super().__init__()
        self.head, self.unused = nn.Linear(4, 2), nn.Linear(4, 2)
        self.twice, self.stem, self.norm = nn.Conv2d(4, 4, 1), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

    def forward(self, images):
        images = images.to(self.head.weight.dtype)
        maps = self.twice(self.norm(self.twice(self.stem(images))))
        return F.linear(maps.mean((2, 3)), self.head.weight)


def test_reads_are_in_the_order_of_a_run():
    assert list_weight_reads(Net(), EXAMPLE) == ["stem.weight", "twice.weight", "twice.weight", "head.weight"]


def test_a_shared_weight_has_its_first_name():
    net = Net()
    net.unused.weight = net.head.weight
    assert list_weight_reads(net, EXAMPLE)[-1] == "head.weight"


def test_layers_that_are_marked_as_idle_are_left_out():
    net = Net()
    mark_idle_(net, ["stem.weight"])
    assert list_weight_reads(net, EXAMPLE) == ["twice.weight", "twice.weight", "head.weight"]


def test_the_model_is_left_as_it_is():
    net = Net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    list_weight_reads(net, torch.randn(2, 3, 4, 4))
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
