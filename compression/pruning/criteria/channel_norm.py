"""Channel norm: filters with a small norm matter least (Li et al., arXiv:1608.08710)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.pruning.evidence import Evidence


def spread(values: Tensor, weight: Tensor) -> Tensor:
    """Return ``values: [O]``, one per output channel, repeated to the shape ``[O, I, ...]`` of ``weight``."""
    return values.detach().view(-1, *[1] * (weight.dim() - 1)).expand(weight.shape).contiguous()


def channel_norm_scores(weight: Tensor, *, p: int) -> Tensor:
    """Return the norm ``||W_o||_p`` of each output channel o, repeated to the shape of ``weight: [O, I, ...]``."""
    # Computed in float64, because the squares of large weights overflow in float32.
    norms = torch.linalg.vector_norm(weight.detach().flatten(1), ord=p, dim=1, dtype=torch.float64)
    return spread(norms.to(weight.dtype), weight)


class ChannelNorm:
    """Criterion: the L1 (``p=1``) or L2 (``p=2``) norm of the filter of an output channel."""

    def __init__(self, *, p: int) -> None:
        if p not in (1, 2):
            raise InputError(f"strategy.criterion.p={p}: must be 1 or 2")
        self.p = p

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the norm of its output channel's filter for every weight."""
        return {name: channel_norm_scores(weight, p=self.p) for name, weight in weights.items()}
