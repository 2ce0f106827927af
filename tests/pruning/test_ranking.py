from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.pruning.ranking import lowest


@pytest.mark.parametrize(
    ("scores", "count", "chosen"),
    [
        ([3, 1, 2], 0, []),
        ([3, 1, 2], 1, [1]),
        ([3, 1, 2], 2, [1, 2]),
        ([3, 1, 2], 3, [0, 1, 2]),
        ([2, 2, 2, 2], 3, [0, 1, 2]),
        ([5, 0, 0, 1, 0], 2, [1, 2]),
        ([-torch.inf, 1, -torch.inf, 0], 1, [0]),
        ([torch.inf, 1, torch.inf], 2, [0, 1]),
    ],
)
def test_literals(scores, count, chosen):
    assert lowest(torch.tensor(scores), count).nonzero().flatten().tolist() == chosen


def test_no_scores():
    assert lowest(torch.tensor([]), 0).tolist() == []


@pytest.mark.parametrize("count", [-1, 4])
def test_an_impossible_count_is_a_defect(count):
    with pytest.raises(AssertionError):
        lowest(torch.zeros(3), count)


@settings(deadline=None)
@given(st.lists(st.sampled_from([-torch.inf, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=40), st.data())
def test_equals_a_stable_sort(scores, data):
    count = data.draw(st.integers(0, len(scores)))
    mask = lowest(torch.tensor(scores), count)
    order = sorted(range(len(scores)), key=lambda index: scores[index])
    assert sorted(order[:count]) == mask.nonzero().flatten().tolist()


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=30))
def test_more_contains_fewer(scores):
    scores = torch.tensor(scores).float()
    masks = [lowest(scores, count) for count in range(len(scores) + 1)]
    assert all((few <= many).all() for few, many in pairwise(masks))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_types(dtype):
    assert lowest(torch.tensor([1, 0, 1, 0], dtype=dtype), 3).tolist() == [True, True, False, True]
