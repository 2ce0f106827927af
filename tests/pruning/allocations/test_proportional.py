from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.pruning.allocations.proportional import proportional_num_kept


def share(sizes, shares, num_kept, floors=None):
    names = [f"layer{k}" for k in range(len(sizes))]
    kept = proportional_num_kept(
        dict(zip(names, sizes, strict=True)),
        shares=dict(zip(names, shares, strict=True)),
        num_kept=num_kept,
        floors=dict(zip(names, floors or [1] * len(sizes), strict=True)),
    )
    assert list(kept) == names
    return list(kept.values())


@pytest.mark.parametrize(
    ("sizes", "shares", "num_kept", "kept"),
    [
        ([100, 300], [1, 3], 200, [50, 150]),
        ([100, 100], [1, 4], 50, [10, 40]),
        # 4 : 1 would be 160 of 100; the rest goes to the other.
        ([100, 100], [4, 1], 150, [100, 50]),
        # 10 of 10, and 30 in proportion 2 : 1.
        ([10, 50, 50], [20, 2, 1], 40, [10, 20, 10]),
        # 2.4 and 0.6: what is nearest.
        ([5, 5], [4, 1], 3, [2, 1]),
        ([7], [0.1], 7, [7]),
        ([4, 4], [1e-9, 1e-9], 6, [3, 3]),
        # Share 0: its floor, and what nobody else can take.
        ([4, 4], [0, 1], 5, [1, 4]),
        ([4, 4], [0, 1], 6, [2, 4]),
        ([4, 4], [0, 0], 5, [1, 4]),
    ],
)
def test_literals(sizes, shares, num_kept, kept):
    assert share(sizes, shares, num_kept) == kept


def test_floors_literals():
    assert share([100, 100, 200], [1, 1, 2], 200, [90, 1, 1]) == [90, 37, 73]
    assert share([100, 100], [1, 9], 50, [30, 1]) == [30, 20]
    assert share([5, 5], [1, 1], 0, [0, 0]) == [0, 0]


def test_of_equal_ranks_the_last_is_kept():
    """Among equal ranks the first in order are removed first, as among equal scores."""
    assert share([3, 3], [1, 1], 3) == [1, 2]


@pytest.mark.parametrize(("num_kept", "floors"), [(3, [2, 2]), (11, [1, 1])])
def test_impossible_arguments_are_a_defect(num_kept, floors):
    with pytest.raises(AssertionError):
        share([5, 5], [1, 1], num_kept, floors)


layers = st.lists(
    st.tuples(st.integers(1, 30), st.sampled_from([0, 0.01, 0.3, 1, 1, 2, 50]), st.integers(0, 4)),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=80)
@given(layers)
def test_exact_within_bounds_and_monotone_one_at_a_time(layers):
    sizes, shares, floors = zip(*layers, strict=True)
    floors = [min(size, floor) for size, floor in zip(sizes, floors, strict=True)]
    history = [share(sizes, shares, count, floors) for count in range(sum(floors), sum(sizes) + 1)]
    assert [sum(kept) for kept in history] == list(range(sum(floors), sum(sizes) + 1))
    for kept in history:
        assert all(low <= count <= high for low, count, high in zip(floors, kept, sizes, strict=True))
    for fewer, more in pairwise(history):
        assert all(a <= b for a, b in zip(fewer, more, strict=True))


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(20, 60), st.floats(0.1, 10)), min_size=2, max_size=5), st.integers(5, 20))
def test_counts_are_proportional_without_limits(layers, num_kept):
    sizes, shares = zip(*layers, strict=True)
    kept = share(sizes, shares, num_kept, [0] * len(sizes))
    for count, part in zip(kept, shares, strict=True):
        assert abs(count - num_kept * part / sum(shares)) <= len(sizes) / 2


def test_millions_of_units():
    assert share([3_000_000, 1_000_000], [1, 1], 2_500_001, [9, 9]) == [1_500_001, 1_000_000]
