"""Networks that some pruning methods do not support."""

from torch import Tensor, nn


class OddNet(nn.Module):
    """A network whose numbers of channels are not multiples of 4."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 10, 3, stride=4)
        self.head = nn.Linear(10, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.conv(images).relu().mean((2, 3)))


class LayerNormNet(nn.Module):
    """A network with a normalization over channels."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=4)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.norm(self.conv(images).relu().mean((2, 3))))


class NoWeights(nn.Module):
    """A network of one normalization, without a convolution or linear layer."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.norm(images).mean((2, 3)).repeat(1, 4)[:, : self.num_classes]


class FixedShapeNet(nn.Module):
    """A network whose ``forward`` hard-codes a number of channels."""

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
    """A network without feature maps."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(3, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.head(images.mean((2, 3)))


def no_optimizer(parameters, **settings):
    """Return a list where an optimizer is expected."""
    del settings
    return list(parameters)
