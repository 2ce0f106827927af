import pytest
import torch

from compression.core.errors import InputError
from compression.core.finite import are_finite, refuse_diverged


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_value_decides(value):
    tensors = {"count": torch.tensor(3), "weight": torch.ones(2, 3)}
    assert are_finite(tensors)
    tensors["weight"][1, 2] = value
    assert not are_finite(tensors)


def test_the_error_names_the_stage_and_a_way_out():
    with pytest.raises(InputError, match=r"dense: training has diverged.*lower learning rate"):
        refuse_diverged("dense")
