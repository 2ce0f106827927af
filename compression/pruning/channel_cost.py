"""What a network costs when some of its channels are gone: channels, parameters or multiply-accumulates."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from torch import nn

from compression.pruning.channel_groups import ChannelGroup


class ChannelCost:
    """Counts what is left of ``target`` (channels | params | macs) with given numbers of channels.

    A layer's MACs are proportional to its weights, so both follow from the sizes of its dimensions. ``macs`` are those
    of every weight at its full size.
    """

    def __init__(
        self, model: nn.Module, groups: Sequence[ChannelGroup], *, macs: Mapping[str, int], target: str
    ) -> None:
        self.target = target
        self.channels = {group.name: group.num_channels for group in groups}
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        # By parameter and dimension: its size, and how many indices it loses with a channel of each group.
        losses: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        for group in groups:
            for coupling in group.couplings:
                indices = int((coupling.channel >= 0).sum())
                losses[coupling.parameter, coupling.dim][group.name] = indices / group.num_channels
        self._losses = {key: (shapes[key[0]][key[1]], dict(by_group)) for key, by_group in losses.items()}
        if target == "macs":
            self._weight_of: dict[str, int] = dict(macs)
        else:
            self._weight_of = {name: shape.numel() for name, shape in shapes.items()}

    def removed(self, num_kept: Mapping[str, int]) -> float:
        """Return the fraction of the target that is gone, in [0, 1), with ``num_kept`` channels of each group."""
        if self.target == "channels":
            return 1 - sum(num_kept.values()) / sum(self.channels.values())
        left: dict[str, float] = {name: float(cost) for name, cost in self._weight_of.items()}
        for (parameter, _), (size, by_group) in self._losses.items():
            if parameter in left:
                lost = sum(rate * (self.channels[group] - num_kept[group]) for group, rate in by_group.items())
                left[parameter] *= 1 - lost / size
        return 1 - sum(left.values()) / sum(self._weight_of.values())
