import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from compression.data.grouped_splits import split_grouped, unite_groups
from compression.data.splits import order_by_seed, split_stratified


def split(labels, groups, fraction, order=None):
    order = torch.arange(len(labels)) if order is None else order
    rest, part = split_grouped(torch.tensor(labels), groups=groups, fraction=fraction, order=order)
    return rest.tolist(), part.tolist()


def test_groups_join_in_order_until_the_class_has_its_number():
    assert split([0] * 8, list("aabbccdd"), 0.5) == ([4, 5, 6, 7], [0, 1, 2, 3])
    assert split([0] * 8, list("aabbccdd"), 0.5, torch.arange(7, -1, -1)) == ([0, 1, 2, 3], [4, 5, 6, 7])


def test_a_group_too_large_is_left_for_smaller_ones():
    assert split([0] * 8, list("aaaaabcd"), 0.25) == ([0, 1, 2, 3, 4, 7], [5, 6])


def test_a_class_of_two_large_groups_is_on_both_sides():
    assert split([0] * 6 + [1] * 6, list("aaaaabcccddd"), 0.1) == ([0, 1, 2, 3, 4, 9, 10, 11], [5, 6, 7, 8])


def test_a_group_of_several_classes_stays_together():
    rest, part = split([0, 1, 0, 1, 0, 1], list("xxyyzz"), 0.34)
    assert (rest, part) == ([2, 3, 4, 5], [0, 1])


@given(st.lists(st.integers(2, 30), min_size=1, max_size=6), st.floats(0.05, 0.9), st.integers(0, 99))
def test_with_single_images_it_is_the_stratified_split(counts, fraction, seed):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    order = order_by_seed(len(labels), seed)
    groups = [str(index) for index in range(len(labels))]
    found = split_grouped(labels, groups=groups, fraction=fraction, order=order)
    for one, other in zip(found, split_stratified(labels, fraction=fraction, order=order), strict=True):
        assert torch.equal(one, other)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 8)), min_size=6, max_size=40),
    st.floats(0.1, 0.5),
    st.integers(0, 9),
)
def test_no_group_is_divided_and_classes_of_two_groups_are_on_both_sides(sizes, fraction, seed):
    # Every group has one class.
    labels = torch.tensor([label for label, size in sizes for _ in range(size)])
    groups = [str(number) for number, (_, size) in enumerate(sizes) for _ in range(size)]
    rest, part = split_grouped(labels, groups=groups, fraction=fraction, order=order_by_seed(len(labels), seed))
    assert torch.equal(torch.cat([rest, part]).sort().values, torch.arange(len(labels)))
    assert not {groups[i] for i in rest} & {groups[i] for i in part}
    for label in range(3):
        if sum(one == label for one, _ in sizes) >= 2:
            assert label in labels[rest]
            assert label in labels[part]


def test_groups_are_united_along_chains_of_equal_keys():
    # Images 0 and 1 share a group, 1 and 2 their content, so all three belong together.
    keys = unite_groups(["a", "a", "b", "c"], ["x", "y", "y", "a"])
    assert keys[0] == keys[1] == keys[2] != keys[3]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), max_size=12))
def test_united_groups_are_the_connected_parts_of_a_graph(pairs):
    links = [[one[0] == other[0] or one[1] == other[1] for other in pairs] for one in pairs]
    _, expected = connected_components(np.array(links)) if pairs else (0, [])
    keys = unite_groups([one for one, _ in pairs], [other for _, other in pairs])
    assert [[a == b for b in keys] for a in keys] == [[a == b for b in expected] for a in expected]
