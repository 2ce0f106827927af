"""A network that breaks while it is trained, as only some configurations do."""

from tiny_net import TinyNet
from torch import Tensor


class FailingNet(TinyNet):
    """TinyNet that raises in its third training step if it ``fails``; checks before training see nothing."""

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
    """The same with a ``number``: the one of 7 fails."""

    def __init__(self, *, num_classes: int, number: int) -> None:
        super().__init__(num_classes=num_classes, fails=number == 7)
