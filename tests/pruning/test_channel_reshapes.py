import pytest
import torch
from torch import nn

from compression.pruning.channel_reshapes import find_channel_reshapes

EXAMPLE = torch.zeros(2, 3, 8, 8)


class Net(nn.Module):
    """Runs a function of maps after its first and its second convolution."""

    def __init__(self, between):
        super().__init__()
        self.between = between
        self.a, self.b, self.head = nn.Conv2d(3, 8, 1), nn.LazyConv2d(8, 1), nn.LazyLinear(4)

    def forward(self, images):
        maps = self.between(self.b(self.between(self.a(images))))
        return self.head(maps.reshape(maps.shape[0], -1))


def shuffle(maps):
    """Shuffles two groups of channels, as ShuffleNet does."""
    groups = maps.view(maps.shape[0], 2, -1, *maps.shape[2:])
    return groups.transpose(1, 2).reshape(maps.shape)


RESHAPES = {
    "shuffle": shuffle,
    "layer": nn.ChannelShuffle(2),
    "pixels": nn.PixelShuffle(2),
    "pixels back": nn.PixelUnshuffle(2),
    "groups as images": lambda maps: maps.view(-1, 4, *maps.shape[2:]).view(maps.shape),
}


@pytest.mark.parametrize("case", RESHAPES)
def test_the_layers_before_reshapes_of_channels(case):
    assert find_channel_reshapes(Net(RESHAPES[case]), EXAMPLE) == ["a", "b"]


KEEPING = {
    "nothing": lambda maps: maps,
    "pixels in a row": lambda maps: maps.flatten(2).view(maps.shape),
    "same channels": lambda maps: maps.reshape(-1, maps.shape[1], *maps.shape[2:]),
    "joined": lambda maps: torch.cat([maps, maps], 1),
}


@pytest.mark.parametrize("case", KEEPING)
def test_reshapes_that_keep_the_channels_do_not_count(case):
    assert find_channel_reshapes(Net(KEEPING[case]), EXAMPLE) == []
