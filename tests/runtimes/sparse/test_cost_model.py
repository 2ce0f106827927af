"""Costs of a weight, by hand, and that the engine indeed computes depthwise zeros."""

import pytest
from torch import nn

from compression.runtimes.sparse.cost_model import is_depthwise, weight_picoseconds
from compression.runtimes.sparse.encoding.encode import encode
from compression.runtimes.sparse.encoding.records import CONVOLUTION, DEPTHWISE
from compression.runtimes.sparse.lowering import lower


@pytest.mark.parametrize(
    ("positions", "picoseconds"), [(1, 250), (4, 250), (8, 250), (9, 400), (16, 400), (64, 1300), (1024, 19300)]
)
def test_a_weight_is_read_once_and_multiplied_with_every_vector(positions, picoseconds):
    assert weight_picoseconds(nn.Conv2d(4, 4, 3), positions) == picoseconds
    assert weight_picoseconds(nn.Linear(4, 4), positions) == picoseconds


@pytest.mark.parametrize(
    ("layer", "depthwise"),
    [
        (nn.Conv2d(8, 8, 3, padding=1), False),
        (nn.Conv2d(8, 8, 3, padding=1, groups=4), False),
        (nn.Conv2d(8, 16, 3, padding=1, groups=8), False),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), True),
        (nn.Conv2d(1, 1, 3, padding=1), False),
    ],
)
def test_free_weights_are_those_of_the_kernel_that_skips_no_zeros(layer, depthwise):
    assert is_depthwise(layer) == depthwise
    assert (weight_picoseconds(layer, 64) == 0) == depthwise
    model = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    program = lower(model, shape=(layer.in_channels, 8, 8))
    kinds = set(encode(program, vector=8, lanes=1).operations["kind"].tolist())
    if layer.in_channels > 1:
        assert (DEPTHWISE in kinds, CONVOLUTION in kinds) == (depthwise, not depthwise)
