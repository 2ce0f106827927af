"""What a file would cost in the sparse engine: the MACs that are left, and whether a dense engine may be faster."""

from pathlib import Path

import torch

from compression.artifact import Artifact, load_artifact
from compression.core.counting import count_nonzero_macs, layer_macs
from compression.core.errors import InputError
from compression.core.sizes import format_size
from compression.runtimes.sparse.cost_model import BREAK_EVEN
from compression.runtimes.sparse.lowering import count_result_bytes, lower


def describe_sparse_cost(path: Path, *, max_bytes: int | None) -> str:
    """Return one line about the file at ``path``. Only built-in architectures are built; no foreign code runs.

    ``max_bytes`` limits the memory of the decoded tensors, and also that of the network's results for one image.
    """
    try:
        artifact = load_artifact(path, allow=(), max_bytes=max_bytes)
        size, channels = artifact.image_size, artifact.channels
        _check_memory(artifact, max_bytes=max_bytes)
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


def _check_memory(artifact: Artifact, *, max_bytes: int | None) -> None:
    """Raise InputError if a run of the network on one image would need more than ``max_bytes``."""
    # The size of the input is only a number in the file, so a tiny file could require any memory.
    size, channels = artifact.image_size, artifact.channels
    needed = count_result_bytes(artifact.model, shape=(channels, size, size))
    if max_bytes is not None and needed > max_bytes:
        raise InputError(
            f"an image of {size}x{size} pixels needs {format_size(needed)} for the results of its layers; "
            f"allowed: --max-bytes, {format_size(max_bytes)}"
        )
