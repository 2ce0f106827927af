"""Which layer hurts: the layers of a compressed file compared with those of the dense file."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from compression.analysis.layer_errors import measure_layer_errors
from compression.artifact import Artifact
from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.network.batch_norm_folding import fold_batch_norms_

# Held-out images that layers are compared on.
NUM_IMAGES = 1000


def compare_layers(
    dense: Artifact,
    compressed: Artifact,
    batches: Iterable[Tensor],
    *,
    device: torch.device | str = "cpu",
    equalized: Iterable[str] = (),
) -> list[dict[str, Any]] | None:
    """Return the rows of ``measure_layer_errors``; None for files of different architectures.

    ``batches`` are normalized images [B, C, H, W] on ``device``. A quantized file is represented by its simulation.
    Batch norm is folded in both networks. ``equalized`` names the layers whose channels equalization has rescaled, so
    that their outputs differ by more than an error.
    """
    if _describe(dense) != _describe(compressed):
        return None
    reasons = dict.fromkeys(equalized, "equalization rescaled its channels")
    first, second = _fold(dense).to(device), _fold(compressed).to(device)
    return measure_layer_errors(first, second, batches, incomparable=reasons)


def worst_layers(rows: Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Return the three comparable rows with the largest errors; None without a comparison."""
    return None if rows is None else [dict(row) for row in rows if row["snr_db"] is not None][:3]


def _describe(artifact: Artifact) -> tuple[str, dict[str, Any]]:
    """Return the architecture before anything was removed; where its weights came from does not matter."""
    architecture = artifact.card.architecture
    return architecture.target, {key: value for key, value in architecture.kwargs.items() if key != "pretrained"}


def _fold(artifact: Artifact) -> nn.Module:
    """Return a copy of the network with batch norm folded; the network itself if it is quantized or not traceable."""
    if artifact.plan is not None:
        return artifact.model
    try:
        graph = trace(artifact.model)
    except InputError:
        return artifact.model
    fold_batch_norms_(graph)
    return graph
