"""Losses are computed in float32 at least, whatever the network ran in."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Return ``values`` in float32, or as they are where they are wider."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
