"""A user's own network of one linear layer, which can tell red images from blue ones."""

from torch import Tensor, nn


class Net(nn.Module):
    """``[B, 3, H, W] -> [B, num_classes]``, from the mean of each channel."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(3, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.fc(images.mean((2, 3)))
