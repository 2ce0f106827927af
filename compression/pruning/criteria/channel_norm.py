"""Channel norm: filters of small norm matter least (Li et al., arXiv:1608.08710)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.pruning.evidence import Evidence


def spread(values: Tensor, weight: Tensor) -> Tensor:
    """Return ``values: [O]``, one of each output channel, for all weights of the channel: ``[O, I, ...]``."""
    return values.detach().view(-1, *[1] * (weight.dim() - 1)).expand(weight.shape).contiguous()


def channel_norm_scores(weight: Tensor, *, p: int) -> Tensor:
    """Return ``||W_o||_p`` of each output channel o of ``weight: [O, I, ...]``, of the weight's shape."""
    # In float32 the squares of large weights overflow.
    norms = torch.linalg.vector_norm(weight.detach().flatten(1), ord=p, dim=1, dtype=torch.float64)
    return spread(norms.to(weight.dtype), weight)


class ChannelNorm:
    """Scores output channels by the L1 (``p=1``) or L2 (``p=2``) norm of their filters."""

    def __init__(self, *, p: int) -> None:
        if p not in (1, 2):
            raise InputError(f"strategy.criterion.p={p}: must be 1 or 2")
        self.p = p

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the norm of its channel for every weight."""
        return {name: channel_norm_scores(weight, p=self.p) for name, weight in weights.items()}
