"""Networks for grey images: one input channel, whose weights are the sum over red, green and blue."""

import torch
from torch import Tensor, nn

from compression.core.errors import InputError


def sum_over_inputs(weight: Tensor) -> Tensor:
    """Return ``weight: [O, I, kH, kW]`` summed over its input channels: ``[O, 1, kH, kW]``.

    On a grey image the result computes what ``weight`` computes on the same image in I equal channels.
    """
    return weight.sum(dim=1, keepdim=True)


def set_input_channels_(net: nn.Module, stem: str, *, channels: int, pretrained: bool) -> None:
    """Give the convolution named ``stem`` so many input channels. With 3, nothing changes.

    The new weights are sums of the old ones if they are ``pretrained``; else they are drawn again, because a sum of
    random weights would be larger than weights are at the start. Raises ``InputError`` unless ``channels`` is 1 or 3.
    """
    if channels not in (1, 3):
        raise InputError(f"in_channels={channels!r} is out of range; allowed: 3 (RGB), 1 (grey)")
    old = net.get_submodule(stem)
    assert isinstance(old, nn.Conv2d)
    if channels == old.in_channels:
        return
    old.in_channels = channels
    with torch.no_grad():
        weight = sum_over_inputs(old.weight)
        if not pretrained:
            nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
    old.weight = nn.Parameter(weight)
