import math

import pytest
import torch

from compression.quantization.rate.code_length import code_bits, order0_cost


def test_code_length_by_hand():
    integers = torch.tensor([[0, 0, 0, 0], [1, 1, -1, -1]])
    # Half of them cost one bit, the others two.
    assert code_bits(integers) == pytest.approx(4 + 8)
    assert code_bits(torch.zeros(5, 5)) == 0
    cost = order0_cost(integers, 2)
    assert cost[2] == pytest.approx(-math.log2(4.1 / 8.5))
    assert cost[1] == cost[3] == pytest.approx(-math.log2(2.1 / 8.5))
    assert torch.isfinite(cost).all()
