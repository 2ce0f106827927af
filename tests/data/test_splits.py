import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from compression.data.splits import count_part, order_by_content, order_by_seed, split_stratified


@pytest.mark.parametrize(
    ("class_counts", "fraction", "expected"),
    [
        ([10, 10], 0.2, [2, 2]),
        ([10, 10, 10], 0.1, [1, 1, 1]),
        ([90, 10], 0.1, [9, 1]),
        ([99, 2], 0.1, [10, 1]),
        ([50, 50], 0.07, [4, 3]),
        ([5, 1], 0.5, [3, 0]),
        ([2, 2, 2, 2], 0.1, [1, 1, 1, 1]),
        ([3, 3], 0.99, [2, 2]),
        ([1, 1], 0.5, [0, 0]),
    ],
)
def test_counts(class_counts, fraction, expected):
    assert count_part(torch.tensor(class_counts), fraction=fraction).tolist() == expected


@given(st.lists(st.integers(2, 60), min_size=1, max_size=8), st.floats(0.01, 0.99))
def test_both_parts_hold_every_class_and_the_total_is_exact(class_counts, fraction):
    labels = torch.repeat_interleave(torch.arange(len(class_counts)), torch.tensor(class_counts))
    rest, part = split_stratified(labels, fraction=fraction, order=order_by_seed(len(labels), "test"))
    assert torch.equal(torch.cat([rest, part]).sort().values, torch.arange(len(labels)))
    assert labels[rest].unique().tolist() == labels[part].unique().tolist()
    k, n = len(class_counts), len(labels)
    wanted = -int(-round(fraction * n, 6) // 1)
    assert len(part) == min(max(wanted, k), n - k)
    taken = torch.bincount(labels[part])
    if wanted == len(part) and min(class_counts) * min(fraction, 1 - fraction) >= 1:
        assert (taken - torch.tensor(class_counts) * wanted / n).abs().max() < 1


def test_sizes_are_those_of_scikit_learn():
    labels = torch.arange(1797) % 10
    _, part = split_stratified(labels, fraction=0.2, order=order_by_seed(1797, 0))
    _, reference = train_test_split(labels.numpy(), test_size=0.2, stratify=labels.numpy())
    assert len(part) == len(reference) == 360


def test_takes_the_first_of_each_class_along_the_order():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    order = torch.tensor([7, 3, 0, 1, 2, 4, 5, 6])
    rest, part = split_stratified(labels, fraction=0.5, order=order)
    assert part.tolist() == [0, 3, 4, 7]
    assert rest.tolist() == [1, 2, 5, 6]


def test_order_by_seed_depends_only_on_the_purpose():
    assert torch.equal(order_by_seed(50, 1, "val"), order_by_seed(50, 1, "val"))
    assert not torch.equal(order_by_seed(50, 1, "val"), order_by_seed(50, 2, "val"))


def test_order_by_content_sorts_by_digest_then_name():
    assert order_by_content(["b", "a", "b"], ["x", "y", "w"]).tolist() == [1, 2, 0]
