"""Cost of a network after channel removal, in channels, parameters or multiply-accumulates (MACs)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from torch import nn

from compression.pruning.channel_groups import ChannelGroup


class ChannelCost:
    """The fraction of ``target`` (channels | params | macs) that is removed for given numbers of kept channels.

    A layer's MACs are proportional to its weights, so both follow from the sizes of its dimensions. ``macs`` are the
    MACs of each weight before pruning, by name.
    """

    def __init__(
        self, model: nn.Module, groups: Sequence[ChannelGroup], *, macs: Mapping[str, int], target: str
    ) -> None:
        self.target = target
        self.channels = {group.name: group.num_channels for group in groups}
        shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        # By parameter and dimension: how many indices the dimension loses with each channel of a group, by group.
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
        """Return the fraction of the target that is removed, in [0, 1), if each group keeps ``num_kept`` channels."""
        if self.target == "channels":
            return 1 - sum(num_kept.values()) / sum(self.channels.values())
        left: dict[str, float] = {name: float(cost) for name, cost in self._weight_of.items()}
        for (parameter, _), (size, by_group) in self._losses.items():
            if parameter in left:
                lost = sum(rate * (self.channels[group] - num_kept[group]) for group, rate in by_group.items())
                left[parameter] *= 1 - lost / size
        return 1 - sum(left.values()) / sum(self._weight_of.values())
