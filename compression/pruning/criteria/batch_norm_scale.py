"""Batch-norm scale: channels with a small scale in batch norm matter least (network slimming, arXiv:1708.06519)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.core.batch_norm import following_batch_norms
from compression.core.errors import InputError
from compression.pruning.criteria.channel_norm import spread
from compression.pruning.evidence import Evidence


def batch_norm_scale_scores(weights: Mapping[str, Tensor], *, scales: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the score ``|gamma_o|`` for all weights of output channel o, by name and in the shapes of ``weights``.

    ``scales`` hold gamma ``[O]`` by the name of the weight ``[O, I, ...]`` before it, for at least one weight. A weight
    without a scale gets the highest scale of all, so its channels are pruned last.
    """
    sizes = {name: scales[name].detach().abs() for name in weights if name in scales}
    # Without a scale there is no sign that a channel is unimportant, so such layers are pruned last.
    highest = torch.stack([size.max() for size in sizes.values()]).max()
    return {
        name: spread(sizes[name] if name in sizes else highest.expand(weight.shape[0]), weight)
        for name, weight in weights.items()
    }


class BatchNormScale:
    """Criterion: the scale of the batch norm that directly follows an output channel."""

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:
        """Return ``|gamma|`` of its output channel for every weight.

        Raises ``InputError`` if no layer of the model is followed by a batch norm with scales.
        """
        norms = following_batch_norms(evidence.model, evidence.example)
        scales = {name: norm.weight for name, norm in norms.items() if name in weights and norm.weight is not None}
        if not scales:
            raise InputError("strategy.criterion BatchNormScale: no layer of this model is followed by a batch norm")
        return batch_norm_scale_scores(weights, scales=scales)
