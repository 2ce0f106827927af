"""A network that adds the concatenated outputs of two layers to the output of a third."""

import torch
from torch import Tensor, nn


class Concatenated(nn.Module):
    """``d(x) + [a(x), b(x)]``: d makes all eight channels of the group, a and b make four each."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.d = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Conv2d(3, 8, 3)
        self.end, self.head = nn.Conv2d(8, 8, 1), nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``logits: [B, 2]`` of ``images: [B, 3, H, W]``."""
        maps = self.d(images) + torch.cat([self.a(images), self.b(images)], 1)
        return self.head(self.end(maps.relu()).relu().mean((2, 3)))
