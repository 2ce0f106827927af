"""The teacher: a frozen network that gets images normalized as in its own training."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compression.core.channels_last import to_channels_last_


class Teacher:
    """A frozen network ``net`` in evaluation mode, which runs without gradient.

    It is not a module, so it does not enter a state dict, a checkpoint or an optimizer of the object that holds it.
    """

    def __init__(self, net: nn.Module) -> None:
        self.net = net.eval().requires_grad_(False)
        self._scale = torch.ones(1, 1, 1, 1)
        self._shift = torch.zeros(1, 1, 1, 1)
        self._same_input = True

    def renormalize(
        self, *, ours: tuple[Sequence[float], Sequence[float]], its: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        """Convert the normalization of images before each run.

        ``ours`` are (mean, std) per channel of the images that this object gets; ``its`` are those that the network was
        trained with.
        """
        mean, std, its_mean, its_std = (torch.tensor(values).view(1, -1, 1, 1) for values in (*ours, *its))
        self._scale, self._shift = std / its_std, (mean - its_mean) / its_std
        self._same_input = bool((mean == its_mean).all() and (std == its_std).all())

    def to(self, device: torch.device) -> None:
        """Move the network to ``device``, in channels-last memory like the images."""
        to_channels_last_(self.net.to(device))
        self._scale, self._shift = self._scale.to(device), self._shift.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return ``logits: [B, C]`` of normalized ``images: [B, channels, H, W]``."""
        if not self._same_input:
            images = images * self._scale + self._shift
        logits: Tensor = self.net(images.contiguous(memory_format=torch.channels_last))
        return logits
