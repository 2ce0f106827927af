"""Channels-last memory for whole networks."""

from itertools import chain
from typing import TypeVar

import torch
from torch import nn

from compression.core.adapted_network import is_contiguous_only

_M = TypeVar("_M", bound=nn.Module)


def to_channels_last_(model: _M) -> _M:
    """Give every tensor of four dimensions channels-last memory, unless the network computes in contiguous memory.

    ``Module.to`` does the same, but fails where a network also has a tensor of five dimensions, such as the mask of a
    windowed attention.
    """
    if not is_contiguous_only(model):
        for tensor in chain(model.parameters(), model.buffers()):
            if tensor.dim() == 4:
                tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return model
