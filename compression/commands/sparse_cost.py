"""What a file would cost in the sparse engine: the MACs that are left, and whether a dense engine may be faster."""

from pathlib import Path

import torch

from compression.artifact import load_artifact
from compression.core.counting import count_nonzero_macs, layer_macs
from compression.core.errors import InputError
from compression.runtimes.sparse.cost_model import BREAK_EVEN
from compression.runtimes.sparse.lowering import lower


def describe_sparse_cost(path: Path, *, max_bytes: int | None) -> str:
    """Return one line about the file at ``path``. Only built-in architectures are built; no foreign code runs.

    ``max_bytes`` limits the memory of the decoded tensors.
    """
    try:
        artifact = load_artifact(path, allow=(), max_bytes=max_bytes)
        size, channels = artifact.image_size, artifact.channels
        lower(artifact.model, shape=(channels, size, size))
    except InputError as error:
        return f"engine sparse: cost not known: {str(error).removeprefix('engine sparse: ')}"
    left = count_nonzero_macs(artifact.model, size, channels=channels)
    total = sum(layer_macs(artifact.model, torch.zeros(1, channels, size, size)).values())
    density = left / total
    verdict = (
        f"below {BREAK_EVEN:g}, so it should be faster than dense engines"
        if density < BREAK_EVEN
        else f"not below {BREAK_EVEN:g}, so a dense engine may be faster"
    )
    return (
        f"engine sparse: {left / 1e6:.2f} M of {total / 1e6:.2f} M MACs are of non-zero weights: "
        f"density {density:.3f}, {verdict}"
    )
