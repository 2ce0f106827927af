"""Rows with one list of offsets for four: which layers get them, by hand, and that they hold the same weights."""

import numpy as np
import pytest

from compression.runtimes.sparse.encoding.rows import Rows, group_rows, join_rows


def rows_of(weight: np.ndarray) -> Rows:
    """Return the rows of a matrix: the offset of a column is 4 times its number."""
    outputs, inputs = np.nonzero(weight)
    values = weight[outputs, inputs].astype(np.float32)
    return group_rows(outputs, values, (4 * inputs).astype(np.int32), count=len(weight))


def matrix_of(rows: Rows, *, columns: int) -> np.ndarray:
    """Return the matrix again."""
    found = np.zeros(((len(rows.starts) - 1) * rows.together, columns))
    weights = rows.weights.reshape(-1, rows.together)
    for index, (first, end) in enumerate(zip(rows.starts[:-1], rows.starts[1:], strict=True)):
        for weight, offset in zip(weights[first:end], rows.offsets[first:end], strict=True):
            found[index * rows.together : (index + 1) * rows.together, offset // 4] = weight
    return found


def test_rows_come_in_order_whatever_the_order_of_their_weights() -> None:
    weight = np.array([[0, 2, 0], [0, 0, 0], [3, 0, 4]])
    outputs, inputs = np.nonzero(weight)
    back = np.arange(len(outputs))[::-1]
    values = weight[outputs, inputs].astype(np.float32)
    rows = group_rows(outputs[back], values[back], (4 * inputs[back]).astype(np.int32), count=3)
    np.testing.assert_array_equal(rows.starts, [0, 1, 1, 3])
    np.testing.assert_array_equal(matrix_of(rows, columns=3), weight)


@pytest.mark.parametrize(
    ("density", "vectors", "joined"),
    [(1.0, 8, True), (0.95, 8, True), (0.75, 8, False), (0.75, 1, True), (0.1, 1, False)],
)
def test_only_layers_with_few_zeros_share_lists(density: float, vectors: int, joined: bool) -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((64, 100)) * (rng.random((64, 100)) < density)
    rows = join_rows(rows_of(weight), per_block=64, vectors=vectors)
    assert (rows is not None) == joined
    if rows is not None:
        assert rows.weights.shape == (len(rows.offsets), 4)
        np.testing.assert_array_equal(matrix_of(rows, columns=100), weight.astype(np.float32))


def test_columns_without_weights_do_not_count() -> None:
    weight = np.ones((8, 100))
    weight[:, 10:] = 0
    rows = join_rows(rows_of(weight), per_block=8, vectors=8)
    assert rows is not None
    assert len(rows.offsets) == 2 * 10


@pytest.mark.parametrize("weight", [np.ones((6, 10)), np.zeros((8, 10))])
def test_rows_that_are_not_fours_and_empty_layers_stay_single(weight: np.ndarray) -> None:
    assert join_rows(rows_of(weight), per_block=len(weight), vectors=8) is None
