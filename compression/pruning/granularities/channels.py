"""Channels: structured pruning in groups that residual sums and depthwise convolutions couple.

During training a removed channel is masked like single weights: the filters that make it, its normalization, and the
weights that read it.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from compression.core.counting import layer_macs
from compression.core.errors import InputError
from compression.core.masks import MaskSet, dense_masks
from compression.core.selection import prunable_weights
from compression.pruning.allocations import Allocation, Limited
from compression.pruning.channel_cost import ChannelCost
from compression.pruning.channel_groups import ChannelGroup, find_channel_groups
from compression.pruning.ranking import lowest

TARGETS = ("channels", "params", "macs")
# Rounding error allowed in the comparison of fractions, which are quotients of integers.
TOLERANCE = 1e-9


class Channels:
    """Granularity of channels. A group keeps a multiple of ``round_to`` channels, or all of them.

    ``normalize`` divides each layer's scores by their mean, so that layers of different scale can be compared.
    """

    fixed_sparsity = None

    def __init__(self, *, round_to: int = 8, normalize: bool = True) -> None:
        if type(round_to) is not int or round_to < 1:
            raise InputError(f"strategy.granularity.round_to={round_to}: must be an integer >= 1")
        self.round_to, self.normalize = round_to, normalize

    def units(self, model: nn.Module, *, example: Tensor, target: str, protected: frozenset[str]) -> "ChannelUnits":
        """Return the channel groups of ``model`` without those that contain a protected weight.

        Raises ``InputError`` for a target other than ``TARGETS``, for a model whose channels cannot be removed safely,
        and if no group is left.
        """
        if target not in TARGETS:
            raise InputError(
                f"strategy.target={target}: must be one of {', '.join(TARGETS)} where channels are removed"
            )
        groups = find_channel_groups(model, example)
        free = [group for group in groups if not any(coupling.parameter in protected for coupling in group.couplings)]
        if not free:
            reason = "all of its channels are in layers of strategy.protect" if groups else "it has none"
            raise InputError(f"this model has no channels that can be removed: {reason}")
        return ChannelUnits(
            model,
            free,
            cost=ChannelCost(model, free, macs=layer_macs(model, example), target=target),
            round_to=self.round_to,
            normalize=self.normalize,
        )


class ChannelUnits:
    """The channel groups of one model, as units of pruning."""

    def __init__(
        self, model: nn.Module, groups: Sequence[ChannelGroup], *, cost: ChannelCost, round_to: int, normalize: bool
    ) -> None:
        self.groups = {group.name: group for group in groups}
        self.cost, self.round_to, self.normalize = cost, round_to, normalize
        coupled = {coupling.parameter for group in groups for coupling in group.couplings}
        weights = prunable_weights(model)
        self.parameters = {n: p for n, p in model.named_parameters() if n in coupled or n in weights}
        self.whole = tuple(name for name in weights if name not in coupled)

    def dense_masks(self) -> MaskSet:
        """Return masks that keep everything, for weights and for the biases and normalization of channels."""
        return dense_masks(self.parameters)

    def reduce(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return scores of channels ``[C]`` by group: the mean score of the filters that make a channel."""
        return {name: self._reduce(group, scores) for name, group in self.groups.items()}

    def kept(self, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return bool tensors ``[C]`` by group: True for channels that ``masks`` keep."""
        kept = {}
        for name, group in self.groups.items():
            # A kept filter reads at least one channel, so its mask is not empty. Of concatenated layers each makes only
            # some of the channels.
            kept[name] = torch.zeros(group.num_channels, dtype=torch.bool)
            for coupling in group.outputs:
                if coupling.parameter in self._filters(group):
                    mine = coupling.channel >= 0
                    kept[name][coupling.channel[mine]] |= masks[coupling.parameter].flatten(1).any(1).cpu()[mine]
        return kept

    def count(
        self, scores: Mapping[str, Tensor], *, amount: float, final: float, allocation: Allocation
    ) -> dict[str, int]:
        """Return the number of kept channels by group: the most with which ``amount`` of the target is removed."""
        last = self._most(scores, final, allocation, last=None)
        now = last if amount == final else self._most(scores, amount, allocation, last=last)
        return self._counts(scores, now, allocation, last=last)

    def masks(self, scores: Mapping[str, Tensor], num_kept: Mapping[str, int]) -> dict[str, Tensor]:
        """Return masks that keep the ``num_kept`` channels of highest score in each group, by parameter name."""
        return self.masks_of({name: ~lowest(s, s.numel() - num_kept[name]) for name, s in scores.items()})

    def masks_of(self, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return masks by parameter name that keep the channels ``kept``, bool ``[C]`` by group."""
        masks = dict(self.dense_masks())
        for name, group in self.groups.items():
            for coupling in group.couplings:
                mask = masks[coupling.parameter]
                channel = coupling.channel.to(mask.device)
                keep = kept[name].to(mask.device)[channel.clamp(min=0)] | (channel < 0)
                masks[coupling.parameter] = mask & keep.view([-1 if d == coupling.dim else 1 for d in range(mask.ndim)])
        return masks

    def _reduce(self, group: ChannelGroup, scores: Mapping[str, Tensor]) -> Tensor:
        filters = self._filters(group)
        total = torch.zeros(group.num_channels, dtype=torch.float64)
        # Of concatenated layers each makes only some of the channels.
        makers = torch.zeros(group.num_channels, dtype=torch.int64)
        for coupling in group.outputs:
            if coupling.parameter not in filters:
                continue
            rows = scores[coupling.parameter].flatten(1).cpu().double().mean(1)
            if self.normalize:
                # Leave out the zero filters of removed channels, which would make the others look large.
                there = rows[rows != 0].abs()
                rows = rows / there.mean() if there.numel() else rows
            mine = coupling.channel >= 0
            total.index_add_(0, coupling.channel[mine], rows[mine])
            makers[coupling.channel[mine]] += 1
        return total / makers.clamp(min=1)

    def _filters(self, group: ChannelGroup) -> list[str]:
        return [c.parameter for c in group.outputs if self.parameters[c.parameter].ndim > 1]

    def _most(self, scores: Mapping[str, Tensor], amount: float, allocation: Allocation, *, last: int | None) -> int:
        """Return the largest number of channels to allocate with which ``amount`` is removed, found by bisection.

        ``last`` is that number after the last pruning step, or None if it is the number to find.
        """

        def removed(num_kept: int) -> float:
            final = num_kept if last is None else min(last, num_kept)
            return self.cost.removed(self._counts(scores, num_kept, allocation, last=final))

        low, high = len(scores) if last is None else last, sum(_num_left(scores).values())
        if last is None and isinstance(allocation, Limited):
            fewest, most = allocation.limits(scores)
            low, high = max(low, fewest), min(high, most)
            if removed(high) > amount + TOLERANCE:
                raise InputError(
                    f"sparsity={amount:g} is less than strategy.allocation names by hand: must be at least "
                    f"{math.ceil(1e4 * removed(high)) / 1e4:g} of {self.cost.target}"
                )
        if removed(low) < amount - TOLERANCE:
            limit = math.floor(1e4 * removed(low)) / 1e4
            raise InputError(
                f"sparsity={amount:g} with strategy.target={self.cost.target} is out of reach: must be at most "
                f"{limit:g} for this model with granularity.round_to={self.round_to} and the allocation's floor"
            )
        while low < high:
            middle = (low + high + 1) // 2
            if removed(middle) >= amount - TOLERANCE:
                low = middle
            else:
                high = middle - 1
        return low

    def _counts(
        self, scores: Mapping[str, Tensor], num_kept: int, allocation: Allocation, *, last: int
    ) -> dict[str, int]:
        left = _num_left(scores)
        shared = allocation(scores, num_kept, final=last)
        return {name: min(-(-count // self.round_to) * self.round_to, left[name]) for name, count in shared.items()}


def _num_left(scores: Mapping[str, Tensor]) -> dict[str, int]:
    return {name: int(score.isfinite().sum()) for name, score in scores.items()}
