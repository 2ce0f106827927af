"""Conversion to at least float32, in which losses are computed whatever the precision of the network."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Return ``values`` in float32, or unchanged if their type is float32 or wider."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
