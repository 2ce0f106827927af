import pytest
import torch

from compression.distillation.precision import at_least_float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_and_its_gradient_keeps_the_type(dtype):
    values = torch.tensor([1.5, -2.0], dtype=dtype, requires_grad=True)
    wide = at_least_float32(values)
    assert wide.dtype == torch.float32
    assert wide.tolist() == [1.5, -2]
    wide.sum().backward()
    assert values.grad.dtype == dtype
    assert values.grad.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_wide_enough_values_are_returned_unchanged(dtype):
    values = torch.ones(2, dtype=dtype)
    assert at_least_float32(values) is values
