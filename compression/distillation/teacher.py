"""The network that teaches: frozen, and fed what it was trained on."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Teacher:
    """``net`` in evaluation mode, without gradient.

    It is no submodule of whatever holds it, so it enters no state dict, checkpoint or optimizer.
    """

    def __init__(self, net: nn.Module) -> None:
        self.net = net.eval().requires_grad_(False)
        self._scale = torch.ones(1, 1, 1, 1)
        self._shift = torch.zeros(1, 1, 1, 1)
        self._same_input = True

    def renormalize(
        self, *, ours: tuple[Sequence[float], Sequence[float]], its: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        """Take images normalized by ``ours`` (mean and std of each channel) for a network trained on ``its``."""
        mean, std, its_mean, its_std = (torch.tensor(values).view(1, -1, 1, 1) for values in (*ours, *its))
        self._scale, self._shift = std / its_std, (mean - its_mean) / its_std
        self._same_input = bool((mean == its_mean).all() and (std == its_std).all())

    def to(self, device: torch.device) -> None:
        """Move to ``device``, in the memory format that images have."""
        self.net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._scale, self._shift = self._scale.to(device), self._shift.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return logits ``[B, K]`` of normalized images ``[B, 3, H, W]``."""
        if not self._same_input:
            images = images * self._scale + self._shift
        logits: Tensor = self.net(images.contiguous(memory_format=torch.channels_last))
        return logits
