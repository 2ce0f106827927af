"""Networks that some ways of pruning do not fit."""

from torch import Tensor, nn


class OddNet(nn.Module):
    """Channels in numbers that four does not divide."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 10, 3, stride=4)
        self.head = nn.Linear(10, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.conv(images).relu().mean((2, 3)))


class LayerNormNet(nn.Module):
    """A normalization over channels."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=4)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.norm(self.conv(images).relu().mean((2, 3))))


class NoWeights(nn.Module):
    """Nothing but a normalization."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.norm(images).mean((2, 3)).repeat(1, 4)[:, : self.num_classes]


class FixedShapeNet(nn.Module):
    """A number of channels written into the code."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=4, padding=1)
        self.second = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        x = self.first(images).relu()
        x = x.reshape(-1, 8, x.shape[2], x.shape[3])
        return self.head(self.second(x).relu().mean((2, 3)))


class FlatNet(nn.Module):
    """No feature map at all."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(3, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.head(images.mean((2, 3)))
