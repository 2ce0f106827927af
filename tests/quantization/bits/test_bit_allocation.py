import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import InputError
from compression.quantization.bits.bit_allocation import (
    allocate_bits,
    allocate_for_drop,
    allocation_path,
    packed_bytes,
)
from compression.quantization.bits.bit_sensitivity import BitTable

# With 8 weights per layer, each bit costs one byte.
SIZES = {"a": 8, "b": 8, "c": 16}
TABLE = BitTable(
    baseline=1.0,
    images=100,
    sizes=SIZES,
    loss={"a": {2: 5.0, 4: 2.0, 8: 1.0}, "b": {2: 2.0, 4: 1.5, 8: 1.25}, "c": {2: 9.0, 4: 3.0, 8: 1.0}},
)

tables = st.integers(1, 3).flatmap(
    lambda layers: st.tuples(
        st.lists(st.integers(1, 40), min_size=layers, max_size=layers),
        st.lists(st.lists(st.floats(0, 10, width=32), min_size=4, max_size=4), min_size=layers, max_size=layers),
    )
)


def make_table(content):
    sizes = {f"layer{index}": size for index, size in enumerate(content[0])}
    loss = {name: dict(zip((2, 3, 4, 8), row, strict=True)) for name, row in zip(sizes, content[1], strict=True)}
    return BitTable(baseline=1.0, images=10, sizes=sizes, loss=loss), sizes


def best_of_all(table, sizes, max_bytes):
    allocations = [dict(zip(sizes, bits, strict=True)) for bits in itertools.product(*(table.loss[n] for n in sizes))]
    return min(added_loss(table, bits) for bits in allocations if packed_bytes(bits, sizes) <= max_bytes)


def added_loss(table, bits):
    return sum(table.loss[name][each] - table.baseline for name, each in bits.items())


def test_bytes_and_loss_by_hand():
    # 3 * 3 bits are 2 bytes, 10 * 4 bits are 5.
    assert packed_bytes({"x": 3, "y": 4}, {"x": 3, "y": 10}) == 7
    assert added_loss(TABLE, {"a": 4, "b": 2, "c": 8}) == pytest.approx(1.0 + 1.0 + 0.0)


def test_steps_are_taken_by_gain_per_byte():
    # Gains per byte: a 1.5, then 0.25; b 0.25, then 0.0625; c 1.5, then 0.25. Least: 2 + 2 + 4 bytes.
    path = [tuple(bits.values()) for bits in allocation_path(TABLE, SIZES)]
    assert path[0] == (2, 2, 2)
    assert path[2] == (4, 2, 4)
    assert path[-2:] == [(8, 4, 8), (8, 8, 8)]
    assert len(path) == 7


@pytest.mark.parametrize(
    ("max_bytes", "bits"),
    [(8, (2, 2, 2)), (10, (4, 2, 2)), (12, (4, 4, 2)), (14, (4, 2, 4)), (28, (8, 4, 8)), (32, (8, 8, 8))],
)
def test_budgets_by_hand(max_bytes, bits):
    # At 12 bytes, a's step is taken first and c's of 4 does not fit, so that the rest goes to b.
    assert tuple(allocate_bits(TABLE, SIZES, max_bytes=max_bytes).values()) == bits


def test_bits_off_the_hull_use_bytes_left_over():
    table = BitTable(1.0, 10, {"a": 8}, {"a": {2: 4.0, 4: 3.9, 8: 1.0}})
    assert [bits["a"] for bits in allocation_path(table, {"a": 8})] == [2, 8]
    assert allocate_bits(table, {"a": 8}, max_bytes=7) == {"a": 4}


def test_bits_that_do_not_help_are_not_bought():
    table = BitTable(1.0, 10, {"a": 8, "b": 1}, {"a": {2: 3.0, 4: 0.9, 8: 1.0}, "b": {2: 2.0, 4: 1.5, 8: 1.0}})
    # One weight is one byte, whatever its bits.
    assert allocate_bits(table, {"a": 8, "b": 1}, max_bytes=None) == {"a": 4, "b": 8}
    assert allocate_bits(table, {"a": 8, "b": 1}, max_bytes=3) == {"a": 2, "b": 8}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables)
def test_added_loss_is_within_a_step_of_the_best_and_never_rises_with_the_budget(content):
    table, sizes = make_table(content)
    path = allocation_path(table, sizes)
    losses = [added_loss(table, bits) for bits in path]
    largest_gain = max((before - after for before, after in itertools.pairwise(losses)), default=0.0)
    fewest, most = packed_bytes(path[0], sizes), packed_bytes(dict.fromkeys(sizes, 8), sizes)
    previous = float("inf")
    for max_bytes in range(fewest, most + 2, max(1, (most - fewest) // 12)):
        bits = allocate_bits(table, sizes, max_bytes=max_bytes)
        assert packed_bytes(bits, sizes) <= max_bytes
        loss = added_loss(table, bits)
        assert loss <= previous + 1e-9
        assert loss - best_of_all(table, sizes, max_bytes) <= largest_gain + 1e-9
        previous = loss
    assert added_loss(table, allocate_bits(table, sizes, max_bytes=None)) == pytest.approx(losses[-1])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(tables)
def test_every_allocation_of_the_path_is_the_best_for_its_bytes(content):
    table, sizes = make_table(content)
    for bits in allocation_path(table, sizes):
        max_bytes = packed_bytes(bits, sizes)
        assert added_loss(table, bits) == pytest.approx(best_of_all(table, sizes, max_bytes), abs=1e-6)


def test_too_small_a_budget_names_the_smallest_possible():
    with pytest.raises(InputError, match=r"max_bytes=7: must be at least 8, the size with the fewest bits"):
        allocate_bits(TABLE, SIZES, max_bytes=7)


def test_tables_of_other_models_are_refused():
    with pytest.raises(InputError, match="of another model: a has 8 weights there and 9 here"):
        allocate_bits(TABLE, SIZES | {"a": 9}, max_bytes=100)
    with pytest.raises(InputError, match="of another model: d has no weights there and 4 here"):
        allocation_path(TABLE, {"d": 4})


@pytest.mark.parametrize(("max_drop", "found"), [(100.0, 0), (3.0, 3), (2.0, 4), (0.5, 6), (1.0, 5)])
def test_the_fewest_bytes_within_a_drop(max_drop, found):
    path = allocation_path(TABLE, SIZES)
    accuracies, asked = [0.30, 0.70, 0.80, 0.87, 0.88, 0.89, 0.895], []

    def measure(bits):
        asked.append(path.index(bits))
        return accuracies[asked[-1]]

    assert allocate_for_drop(TABLE, SIZES, baseline=0.9, max_drop=max_drop, measure=measure) == path[found]
    assert found in asked
    assert len(asked) == len(set(asked)) <= 4


def test_a_drop_that_cannot_be_kept_is_refused():
    with pytest.raises(InputError, match=r"max_drop=0.5: .* accuracy drops by 3.00 points already"):
        allocate_for_drop(TABLE, SIZES, baseline=0.9, max_drop=0.5, measure=lambda _: 0.87)
