import math

import pytest
import torch

from compression.core.errors import InputError
from compression.pruning.allocations.by_sensitivity import BySensitivity
from compression.pruning.allocations.uniform import Uniform

LAYERS = {"a": torch.ones(10, 10), "b": torch.ones(10, 10)}


def share(sparsities, num_kept, layers=LAYERS, **options):
    return BySensitivity(max_drop=1.0, **options).measured(sparsities)(layers, num_kept, final=num_kept)


def test_literals():
    """Densities are in the ratio 0.1 to 0.5, and at most 1."""
    assert share({"a": 0.9, "b": 0.5}, 60) == {"a": 10, "b": 50}
    assert share({"a": 0.9, "b": 0.5}, 30) == {"a": 5, "b": 25}
    assert share({"a": 0.9, "b": 0.5}, 120) == {"a": 20, "b": 100}
    assert share({"a": 0.9, "b": 0.5}, 150) == {"a": 50, "b": 100}


def test_a_layer_without_sensitivity_is_pruned_first():
    assert share({"a": 1.0, "b": 0.5}, 60) == {"a": 1, "b": 59}
    assert share({"a": 1.0, "b": 0.5}, 130) == {"a": 30, "b": 100}
    assert share({"a": 1.0, "b": 1.0}, 130) == {"a": 30, "b": 100}


def test_sizes_count():
    assert share({"a": 0.8, "c": 0.6}, 50, {"a": torch.ones(100), "c": torch.ones(20)}) == {"a": 36, "c": 14}


def test_floor():
    assert share({"a": 0.99, "b": 0.1}, 100, floor=2) == {"a": 20, "b": 80}


def test_the_allocation_is_uniform_before_the_measurement():
    allocation = BySensitivity(max_drop=0.5, floor=1)
    assert allocation.sparsities is None
    for num_kept in range(2, 201, 7):
        assert allocation(LAYERS, num_kept, final=2) == Uniform(floor=1)(LAYERS, num_kept, final=2)


def test_measured_is_a_copy():
    allocation = BySensitivity(max_drop=0.5, floor=1, file="sensitivity.json")
    sparsities = {"a": 0.9, "b": 0.5}
    measured = allocation.measured(sparsities)
    sparsities["a"] = 0.0
    assert allocation.sparsities is None
    assert measured.sparsities == {"a": 0.9, "b": 0.5}
    assert (measured.max_drop, measured.floor, measured.file) == (0.5, 1, "sensitivity.json")
    assert measured.needs_sensitivity


def test_a_layer_that_was_not_measured():
    with pytest.raises(InputError, match=r"^sensitivity of b is missing"):
        share({"a": 0.9}, 60)


@pytest.mark.parametrize("sparsity", [-0.1, 1.1, math.nan])
def test_bad_measurements(sparsity):
    with pytest.raises(InputError, match=rf"^sensitivity of a={sparsity}: must be in \[0, 1\]$"):
        BySensitivity(max_drop=1).measured({"a": sparsity})


@pytest.mark.parametrize("max_drop", [-1, math.nan, "much", None, True])
def test_bad_drops(max_drop):
    with pytest.raises(InputError) as caught:
        BySensitivity(max_drop=max_drop)
    assert str(caught.value) == f"strategy.allocation.max_drop={max_drop}: must be >= 0 points"
