import numpy as np
import torch
from torch import Tensor, nn

from compression.runtimes.sparse.fusing import fuse_
from compression.runtimes.sparse.lowering import lower
from compression.runtimes.sparse.program import Binary, Convolution, Map, Program, Rescale, Unary, Window


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


def test_rounding_is_merged_into_scaling_once() -> None:
    sums, floats, first, second = (Map(2, 3, 3) for _ in range(4))
    units = np.ones(2, dtype=np.float32)
    program = Program(image=sums, logits=second)
    program.operations = [
        Rescale(source=sums, target=floats, units=units),
        Unary(source=floats, target=first, function="round", slope=4.0, low=0, high=255),
        Unary(source=first, target=second, function="round", slope=2.0, low=0, high=15),
    ]
    fuse_(program)
    [rescale, rounding] = program.operations
    assert isinstance(rescale, Rescale)
    assert (rescale.step, rescale.low, rescale.high, rescale.target) == (4.0, 0, 255, first)
    assert isinstance(rounding, Unary)
    assert rounding.slope == 2.0


def test_scaling_limits_and_rounding_become_a_part_of_the_convolution() -> None:
    image, sums, floats, limited, rounded = (Map(2, 3, 3) for _ in range(5))
    units = np.full(2, 0.5, dtype=np.float32)
    program = Program(image=image, logits=rounded)
    program.operations = [
        convolution(image, sums),
        Rescale(source=sums, target=floats, units=units),
        Unary(source=floats, target=limited, function="relu", low=0.0, high=6.0),
        Unary(source=limited, target=rounded, function="round", slope=4.0, low=-128, high=127),
    ]
    fuse_(program)
    [merged] = program.operations
    assert isinstance(merged, Convolution)
    assert merged.units is units
    # What is at most 6 is at most 24 after the product with 4.
    assert (merged.step, merged.low, merged.high, merged.target) == (4.0, 0.0, 24.0, rounded)


def test_sums_of_integers_and_a_residual_stay_apart() -> None:
    image, sums, floats, total, rounded = (Map(2, 3, 3) for _ in range(5))
    program = Program(image=image, logits=rounded)
    program.operations = [
        convolution(image, sums),
        Rescale(source=sums, target=floats, units=np.ones(2, dtype=np.float32)),
        Binary(source=floats, other=image, target=total, function="add"),
        Unary(source=total, target=rounded, function="round", slope=4.0, low=0, high=255),
    ]
    fuse_(program)
    first, addition = program.operations
    assert isinstance(first, Convolution)
    assert first.units is not None
    assert first.added is None
    assert isinstance(addition, Binary)
    assert (addition.step, addition.high) == (4.0, 255)


def convolution(source: Map, target: Map) -> Convolution:
    weight = np.ones((target.channels, source.channels, 1, 1))
    return Convolution(
        source=source, target=target, weight=weight, bias=np.zeros(target.channels), window=Window(kernel=(1, 1))
    )
