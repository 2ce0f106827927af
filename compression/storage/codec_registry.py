"""The codecs by the names that files use, and the choice of the smallest one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError, InputError
from compression.storage.codec import Codec
from compression.storage.codecs.adaptive_context import ContextCodec
from compression.storage.codecs.ans import AnsCodec
from compression.storage.codecs.bitmask import BitmaskCodec
from compression.storage.codecs.coo import CooCodec
from compression.storage.codecs.csc import CscCodec
from compression.storage.codecs.csr import CsrCodec
from compression.storage.codecs.delta import DeltaCodec
from compression.storage.codecs.dense_values import DenseCodec
from compression.storage.codecs.gzip_ import GzipCodec
from compression.storage.codecs.zstd import ZstdCodec

AUTO = "auto"
# General compressors, for comparison; a user can select them by name. They take most of the encoding time and are never
# smaller than the entropy coders, so `auto` leaves them out.
BASELINES = ("zstd", "gzip")
DENSE = DenseCodec()
# The order decides ties, so simpler codecs come first.
_ALL: tuple[Codec, ...] = (
    DENSE,
    BitmaskCodec(),
    CooCodec(),
    CsrCodec(),
    CscCodec(),
    DeltaCodec(),
    AnsCodec(),
    ContextCodec(),
    ZstdCodec(),
    GzipCodec(),
)
CODECS: dict[str, Codec] = {codec.name: codec for codec in _ALL}


def get_codec(name: str) -> Codec:
    """Return the codec called ``name``; raises ArtifactError if this version does not have it."""
    if name not in CODECS:
        raise ArtifactError(f"damaged or newer: codec {name!r} is unknown; allowed: {', '.join(CODECS)}")
    return CODECS[name]


def get_allowed(selection: str) -> tuple[str, ...]:
    """Return the codec names that ``storage.codec=selection`` allows; raises InputError for an unknown selection."""
    if selection == AUTO:
        return tuple(name for name in CODECS if name not in BASELINES)
    if selection not in CODECS:
        raise InputError(f"storage.codec={selection!r} is unknown; allowed: {', '.join((AUTO, *CODECS))}")
    return (selection,)


def encode_smallest(array: NDArray[np.generic], *, allowed: Sequence[str]) -> tuple[str, bytes]:
    """Try every codec in ``allowed`` and return the name and the bytes of the smallest result.

    If no allowed codec accepts the array's type, the array is stored dense.
    """
    fitting = [name for name in CODECS if name in allowed and CODECS[name].accepts(array.dtype)] or [DENSE.name]
    candidates = [(name, CODECS[name].encode(array)) for name in fitting]
    return min(candidates, key=lambda candidate: len(candidate[1]))
