"""The moving-average observer: one batch with an outlier changes the range little (Jacob et al., arXiv:1712.05877)."""

from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers import Observer, scale_of
from compression.quantization.observers.min_max import largest_magnitudes
from compression.quantization.observers.observer_checks import check_positive, check_seen


def move_average(average: Tensor, value: Tensor, *, momentum: float) -> Tensor:
    """Return ``(1 - m) * average + m * value`` with m the momentum, in the shape of ``average`` and ``value``."""
    return (1 - momentum) * average + momentum * value


class MovingAverage(Observer):
    """An observer that takes the exponential moving average of the largest magnitude of each batch as the threshold.

    The average starts with the first batch. This is the only observer for which the order of batches matters: later
    batches weigh more.
    """

    def __init__(self, *, momentum: float = 0.1) -> None:
        self.momentum = check_positive(momentum, key="momentum", most=1)
        self._average: Tensor | None = None

    def observe(self, rows: Tensor) -> None:
        """Add the values ``rows: [R, N]`` of one batch."""
        largest = largest_magnitudes(rows).double()
        if self._average is None:
            self._average = largest
        else:
            self._average = move_average(self._average, largest, momentum=self.momentum)

    def scale(self, grid: Grid) -> Tensor:
        """Return ``average / high`` of each row, float32 ``[R]``; raises ``InputError`` before any batch."""
        return scale_of(check_seen(self._average, observer=self), grid)
