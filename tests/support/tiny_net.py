"""A network that trains in a test, with the parts that make training hard to resume: batch norm and dropout."""

from torch import Tensor, nn


class TinyNet(nn.Module):
    """Two convolutions with batch norm, dropout and a linear head; ``[B, C, H, W] -> [B, num_classes]``."""

    def __init__(self, *, num_classes: int, width: int = 8, in_channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stride=4, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(2 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.classifier(self.dropout(self.features(images).mean((2, 3))))


def scalable_tiny_net(*, num_classes: int, width_mult: float = 1.0) -> TinyNet:
    """Return a ``TinyNet`` of ``64 * width_mult`` channels, rounded to a multiple of 8."""
    return TinyNet(num_classes=num_classes, width=max(8, 8 * round(8 * width_mult)))
