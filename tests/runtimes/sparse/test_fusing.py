import torch
from torch import Tensor, nn

from compression.runtimes.sparse.lowering import lower
from compression.runtimes.sparse.program import Binary, Convolution, Unary


class TwoReaders(nn.Module):
    """A convolution whose result is read before and after ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        values = self.conv(images)
        return self.head((values * torch.relu(values)).mean((2, 3)))


def test_a_value_that_is_read_twice_stays() -> None:
    program = lower(TwoReaders(), shape=(3, 4, 4))
    kinds = [type(operation) for operation in program.operations]
    assert kinds[:3] == [Convolution, Unary, Binary]
    assert not program.operations[0].is_limited


def test_batch_norm_after_relu_keeps_its_place() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2)).eval()
    program = lower(network, shape=(3, 4, 4))
    assert [type(operation) for operation in program.operations] == [Convolution] * 3
    assert program.operations[0].low == 0.0


def test_limits_of_two_clamps_are_both_kept() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Hardtanh(-2, 5), nn.Flatten(), nn.Linear(64, 2))
    first = lower(network, shape=(3, 4, 4)).operations[0]
    assert (first.low, first.high) == (0.0, 5.0)
