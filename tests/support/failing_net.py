"""Networks that raise an error during training, for some configurations only."""

from tiny_net import TinyNet
from torch import Tensor


class FailingNet(TinyNet):
    """TinyNet that raises in its third training step if ``fails``; checks before training pass."""

    def __init__(self, *, num_classes: int, fails: bool = False) -> None:
        super().__init__(num_classes=num_classes)
        self.fails = fails
        self.steps = 0

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        if self.training and self.fails:
            self.steps += 1
            if self.steps == 3:
                raise RuntimeError("the third step is one too many")
        return super().forward(images)


class SeventhFails(FailingNet):
    """FailingNet that fails if its ``number`` is 7."""

    def __init__(self, *, num_classes: int, number: int) -> None:
        super().__init__(num_classes=num_classes, fails=number == 7)
