"""Layers whose channels a model moves to other places with a reshape, as in a channel shuffle."""

from typing import Any

import torch
from torch import Tensor, nn

from compression.core.eval_mode import evaluating
from compression.pruning.run_order import WeightReads

_RESHAPES = (
    *(torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default, torch.ops.aten.reshape.default),
    *(torch.ops.aten.pixel_shuffle.default, torch.ops.aten.pixel_unshuffle.default),
    torch.ops.aten.channel_shuffle.default,
)


def find_channel_reshapes(model: nn.Module, example: Tensor) -> list[str]:
    """Return the layers after which ``model`` reshapes a map to other channels, in the order of their run.

    ``example: [B, C, H, W]`` is an input of ``model``. A layer is the last one that ran before a reshape. Reshapes to
    vectors, as before a linear layer, keep the order of channels and do not count.
    """
    reshapes = _ChannelReshapes(model)
    with evaluating(model), torch.no_grad(), reshapes:
        model(example)
    return list(dict.fromkeys(reshapes.layers))


class _ChannelReshapes(WeightReads):
    """Records the layer before each reshape of channels."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.layers: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run one operation."""
        output = super().__torch_dispatch__(func, types, args, kwargs)
        if func in _RESHAPES and args[0].ndim == 4 and self.names:
            moves = output.ndim > 4 or (output.ndim == 4 and output.shape[1] != args[0].shape[1])
            if moves or func is torch.ops.aten.channel_shuffle.default:
                self.layers.append(self.names[-1].rpartition(".")[0])
        return output
