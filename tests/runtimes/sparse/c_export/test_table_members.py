import numpy as np

from compression.runtimes.sparse.c_export.table_members import (
    LISTED_WEIGHTS,
    SHORT_OFFSETS,
    CTables,
    Members,
    make_members,
)
from compression.runtimes.sparse.encoding.encode import encode
from compression.runtimes.sparse.encoding.structures import CONVOLUTION
from compression.runtimes.sparse.program import Convolution, Map, Program, Window


def one_convolution(weight: np.ndarray, size: int) -> Program:
    source, target = Map(weight.shape[1], size, size), Map(weight.shape[0], size, size)
    bias, window = np.arange(len(weight)) / 8, Window(kernel=(1, 1))
    layer = Convolution(source=source, target=target, weight=weight, bias=bias, window=window)
    return Program(image=source, logits=target, operations=[layer])


def by_place(tables: CTables) -> dict[int, np.ndarray]:
    places = np.cumsum([0, *(array.nbytes for array in tables.members.arrays)])
    return dict(zip(places.tolist(), tables.members.arrays, strict=False))


def test_equal_arrays_are_kept_once_and_begin_at_multiples_of_four() -> None:
    members = Members()
    first = members.add(np.array([1, 2, 3], dtype=np.uint8))
    second = members.add(np.array([1.5], dtype=np.float32))
    assert (first, second) == (0, 4)
    assert members.add(np.array([1, 2, 3], dtype=np.uint8)) == first
    assert members.size == 8
    # The same bytes of another type are another array.
    assert members.add(np.array([1.5], dtype=np.float32).view(np.int32)) == 8


def test_fast_tables_are_those_of_the_engine() -> None:
    weight = np.zeros((2, 3, 1, 1))
    weight[0, 1], weight[1, 2] = 2.0, -3.0
    tables = make_members(encode(one_convolution(weight, 4), vector=4, lanes=1), small=False)
    assert tables.longest_row is None
    op = tables.operations[tables.operations["kind"] == CONVOLUTION][0]
    found = by_place(tables)
    assert found[int(op["weights"])][:2].tolist() == [2.0, -3.0]
    assert found[int(op["offsets"])][:2].tolist() == [64, 128]
    assert found[int(op["starts"])][:3].tolist() == [0, 1, 2]
    assert found[int(op["bias"])][:2].tolist() == [0.0, 0.125]


def test_small_tables_hold_steps_and_places_of_weights() -> None:
    weight = np.zeros((2, 9, 1, 1))
    weight[0, [1, 4, 5, 6, 7]], weight[1, [2, 8]] = 0.5, -0.25
    tables = make_members(encode(one_convolution(weight, 2), vector=1, lanes=1, dense_rows=False), small=True)
    assert (tables.longest_row, tables.num_narrow, tables.num_listed) == (5, 1, 1)
    op = tables.operations[tables.operations["kind"] == CONVOLUTION][0]
    assert by_place(tables)[int(op["offsets"])].tolist() == [4, 12, 4, 4, 4, 8, 24, 0]
    assert op["function"] == SHORT_OFFSETS | LISTED_WEIGHTS
    # Places of 0.5 and -0.25 in the list behind the two biases.
    assert by_place(tables)[int(op["weights"])].tolist() == [0, 0, 0, 0, 0, 1, 1, 0]
    assert by_place(tables)[int(op["bias"])].tolist() == [0.0, 0.125, 0.5, -0.25]


def test_few_distinct_weights_become_a_list_without_a_change() -> None:
    rng = np.random.default_rng(0)
    weight = rng.choice([0.1, -0.3, 0.7, 0.0], (64, 32, 1, 1))
    tables = make_members(encode(one_convolution(weight, 2), vector=1, lanes=1, dense_rows=False), small=True)
    op = tables.operations[tables.operations["kind"] == CONVOLUTION][0]
    assert op["function"] == SHORT_OFFSETS | LISTED_WEIGHTS
    found = by_place(tables)
    numbers, biases = found[int(op["weights"])], found[int(op["bias"])]
    values = biases[64:][numbers[: np.count_nonzero(weight)]]
    np.testing.assert_array_equal(values, weight[weight != 0].astype(np.float32))


def test_far_steps_keep_32_bits() -> None:
    weight = np.zeros((1, 9, 1, 1))
    weight[0, 8] = 1.0
    tables = make_members(encode(one_convolution(weight, 100), vector=1, lanes=1, dense_rows=False), small=True)
    assert tables.num_narrow == 0
