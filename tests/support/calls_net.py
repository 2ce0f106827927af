"""A network that is one function of its images."""

from collections.abc import Callable

from torch import Tensor, nn


class Calls(nn.Module):
    """Returns ``function(images)``."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        """Return what the function returns."""
        return self.function(images)
