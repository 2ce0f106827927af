"""Small networks with every operation around which quantizers are placed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """A network with batch norm, ReLU6, pooling, depthwise convolution and in-place sum; ``[B, 3, H, W] -> [B, C]``."""

    def __init__(self, *, num_classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
        self.pool = nn.MaxPool2d(2)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        features = self.pool(self.stem(images))
        branch = self.norm(self.depthwise(features))
        branch += features
        return self.head(self.dropout(F.relu(branch, inplace=True).mean([2, 3])))


def randomize_(model: nn.Module) -> nn.Module:
    """Draw the statistics and scales of batch norms; return ``model`` in evaluation mode."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.normal_(0.8, 0.5)
            module.bias.data.normal_(0.3, 0.3)
    return model.eval()


class TrainsDifferently(nn.Module):
    """A network with functional dropout, another path in training, a difference, and several concatenations."""

    def __init__(self, *, num_classes: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.other = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(16, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        features = F.relu(self.conv(images))
        if self.training:
            features = 2 * features
        features = F.dropout(features, 0.5, training=self.training)
        difference = torch.add(features, F.relu(self.other(features)), alpha=-1)
        both = torch.cat(tensors=(features, difference), dim=1)
        return self.head(torch.cat(both.chunk(2, 1), 1).mean((2, 3)))
