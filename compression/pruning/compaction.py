"""Compaction: removal of channels that no weight reads. The smaller network computes the same function.

Channel masks leave such channels. So do masks of single weights if they happen to remove all weights that read a
channel. A channel that is constant but still read stays: for example, all weights that make it are zero, but batch
norm shifts it and a padded convolution reads it.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compression.core.errors import InputError, first_line
from compression.core.eval_mode import evaluating
from compression.pruning.channel_groups import ChannelGroup, build_dependency_graph, find_channel_groups

# Largest allowed difference of logits before and after compaction, relative to the largest logit.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Compacted:
    """Result of a compaction.

    ``model`` is the smaller network. ``channels`` gives the (old, new) number of channels of each group that changed.
    ``difference`` is the largest difference of logits to the original, relative to the largest logit.
    """

    model: nn.Module
    channels: Mapping[str, tuple[int, int]]
    difference: float


def compact(model: nn.Module, example: Tensor, *, round_to: int = 8) -> Compacted:
    """Return a copy of ``model`` without the channels that no weight reads.

    ``example: [B, C, H, W]`` is an input on the model's device. The number of kept channels of a group is rounded up to
    a multiple of ``round_to``, at most to all of them. Batch norm stays, so training can continue on the result. Raises
    ``InputError`` if channels cannot be removed safely, which may show only in the comparison of the two networks.
    """
    small = copy.deepcopy(model)
    channels: dict[str, tuple[int, int]] = {}
    try:
        # Removing a channel also removes the weights that make it. They may have been the last to read another channel.
        while removed := _remove_unread_(small, example, round_to):
            for name, (old, new) in removed.items():
                channels[name] = (channels[name][0] if name in channels else old, new)
        compacted = Compacted(small, channels, relative_difference(model, small, example))
    except InputError:
        raise
    except Exception as error:
        # A shape that is hard-coded in `forward` causes an error only once channels are removed, of any type.
        raise InputError(
            f"channels of this model cannot be removed safely: without them it does not run: {first_line(error)}"
        ) from error
    _refuse_difference(model, compacted, example)
    return compacted


def _refuse_difference(model: nn.Module, compacted: Compacted, example: Tensor) -> None:
    """Raise ``InputError`` unless the smaller network computes the same, up to rounding."""
    difference = compacted.difference
    if not difference <= TOLERANCE:
        # If logits nearly cancel, rounding in float32 alone may exceed the limit. Float64 tells the two cases apart.
        exact, small = (copy.deepcopy(net).cpu().double() for net in (model, compacted.model))
        difference = relative_difference(exact, small, example.cpu().double())
    if not difference <= TOLERANCE:
        raise InputError(
            f"channels of this model cannot be removed safely: without them its logits differ by {difference:.1e} of "
            f"the largest; allowed: {TOLERANCE:g}"
        )


@torch.no_grad()
def relative_difference(model: nn.Module, other: nn.Module, example: Tensor) -> float:
    """Return the largest absolute difference of logits, divided by the largest absolute logit of ``model``.

    Both networks run on random images in the shape ``[B, C, H, W]`` of ``example``. Returns infinity if the shapes of
    the logits differ.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(example.shape, generator=generator).to(example)
    with evaluating(model), evaluating(other):
        expected, actual = model(images), other(images)
    if expected.shape != actual.shape:
        return float("inf")
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=torch.finfo(expected.dtype).tiny))


def unread_channels(group: ChannelGroup, parameters: Mapping[str, Tensor]) -> Tensor:
    """Return a bool mask ``[C]`` of the channels of ``group`` that are read only with weights of zero.

    ``parameters`` are those of the model, by name.
    """
    # A group without readers reaches an operation that is not traced, so all its channels count as read.
    readers = torch.zeros(group.num_channels, dtype=torch.int64) + (not group.inputs)
    for coupling in group.inputs:
        weight = parameters[coupling.parameter].detach().transpose(0, coupling.dim).flatten(1)
        mine = coupling.channel >= 0
        nonzero = weight.ne(0).any(1).cpu().long()
        readers.index_add_(0, coupling.channel[mine], nonzero[mine])
    return readers == 0


def _remove_unread_(model: nn.Module, example: Tensor, round_to: int) -> dict[str, tuple[int, int]]:
    parameters = dict(model.named_parameters())
    removed: dict[str, list[int]] = {}
    sizes: dict[str, int] = {}
    for group in find_channel_groups(model, example):
        unread = unread_channels(group, parameters).nonzero().flatten().tolist()
        staying = _one_of_each_layer(group, set(unread))
        unread = [channel for channel in unread if channel not in staying]
        kept = group.num_channels - len(unread)
        kept = min(group.num_channels, -(-kept // round_to) * round_to)
        # Remove the last unread channels. Which of them stay to reach a round number makes no difference.
        going = unread[len(unread) - (group.num_channels - kept) :] if kept < group.num_channels else []
        if going:
            removed[group.name], sizes[group.name] = going, group.num_channels
    _remove_(model, example, removed)
    return {name: (sizes[name], sizes[name] - len(going)) for name, going in removed.items()}


def _one_of_each_layer(group: ChannelGroup, unread: set[int]) -> set[int]:
    """Return channels that have to stay, one of each layer that would make none without it.

    Of concatenated layers, each makes only some channels of a group.
    """
    staying: set[int] = set()
    for coupling in group.outputs:
        mine = [channel for channel in coupling.channel.tolist() if channel >= 0]
        if mine and unread.issuperset(mine) and staying.isdisjoint(mine):
            staying.add(mine[0])
    return staying


def _remove_(model: nn.Module, example: Tensor, removed: Mapping[str, Sequence[int]]) -> None:
    if not removed:
        return
    graph = build_dependency_graph(model, example)
    for name, channels in removed.items():
        layer = model.get_submodule(name)
        pruner = graph.get_pruner_of_module(layer)
        graph.get_pruning_group(layer, pruner.prune_out_channels, idxs=list(channels)).prune()
