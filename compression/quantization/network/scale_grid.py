"""Weight scales on a grid: powers of the eighth root of 2, of which a file holds small integers.

A scale is at most 4.4 % away from such a power. The scales of a layer are near each other, so an entropy coder stores
their distances in eighths of an octave in few bits.
"""

import numpy as np
import torch
from torch import Tensor

_PER_OCTAVE = 8
# 2^(0/8) to 2^(7/8) in float32, as constants, so that every machine decodes the same bits.
_ROOTS = np.array([0x3F800000, 0x3F8B95C2, 0x3F9837F0, 0x3FA5FED7, 0x3FB504F3, 0x3FC5672A, 0x3FD744FD, 0x3FEAC0C7])
_ROOTS = _ROOTS.astype(np.uint32).view(np.float32)
# The normal numbers of float32.
_LOWEST, _HIGHEST = -126 * _PER_OCTAVE, 128 * _PER_OCTAVE - 1
_LOW_CODE, _HIGH_CODE = -128, 127


def nearest_powers(scales: Tensor, *, up: bool = False) -> Tensor:
    """Return ``scales: [O]`` of a layer (float32, above 0) rounded to the nearest powers; ``up`` rounds none down.

    A scale that is about 2^-32 of the largest or less becomes that fraction of it, because codes have eight bits.
    """
    eighths = _to_eighths(scales, up=up)
    return _to_scales(eighths.clamp(min=int(eighths.max()) + _LOW_CODE - _HIGH_CODE)).to(scales.device)


def encode_scales(scales: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``scales: [O]`` of ``nearest_powers`` as int8 codes ``[O]``, and an int16 scalar that is added to each."""
    eighths = _to_eighths(scales)
    # The median, so that most codes are near 0, unless the codes of the largest or the smallest would not fit.
    middle = eighths.median().clamp(max=eighths.min() - _LOW_CODE).clamp(min=eighths.max() - _HIGH_CODE)
    return (eighths - middle).to(torch.int8), middle.to(torch.int16)


def decode_scales(codes: Tensor, middle: Tensor) -> Tensor:
    """Return the float32 scales ``2^((codes + middle) / 8)``, ``[O]``, limited to normal numbers."""
    return _to_scales(codes.to(torch.int32) + middle.to(torch.int32))


def _to_eighths(scales: Tensor, *, up: bool = False) -> Tensor:
    exact = scales.detach().cpu().double().log2() * _PER_OCTAVE
    # A power itself may come out slightly above its integer.
    return (torch.ceil(exact - 1e-3) if up else torch.round(exact)).to(torch.int32)


def _to_scales(eighths: Tensor) -> Tensor:
    octaves, rest = np.divmod(eighths.clamp(_LOWEST, _HIGHEST).numpy(), _PER_OCTAVE)
    return torch.from_numpy(np.ldexp(_ROOTS[rest], octaves))
