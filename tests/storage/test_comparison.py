"""All codecs on the same weights."""

import numpy as np
import pytest

from compression.reporting.figures.codecs import draw_codecs
from compression.storage.codec_registry import CODECS
from compression.storage.comparison import GRID, compare_codecs, find_break_even, prune


def test_break_even_by_hand():
    dense = [8.0] * len(GRID)
    # Half a bit above at 0.2, half below at 0.3: equal in the middle.
    curve = [9.5, 9.0, 8.5, 7.5] + [1.0] * (len(GRID) - 4)
    assert find_break_even(curve, dense) == pytest.approx(0.25)
    assert find_break_even([7.0] * len(GRID), dense) == 0
    assert find_break_even([9.0] * len(GRID), dense) is None


def test_pruning_takes_the_smallest_first():
    array = np.array([[3, -1], [2, -4]], dtype=np.int8)
    assert prune(array, 0.5).tolist() == [[3, 0], [0, -4]]
    assert prune(array, 0.0).tolist() == array.tolist()
    assert array.tolist() == [[3, -1], [2, -4]]


def test_every_codec_is_compared():
    rng = np.random.default_rng(0)
    array = rng.integers(-31, 32, (40, 50)).astype(np.int8)
    results = {result.codec: result for result in compare_codecs({"weight": array})}
    assert list(results) == list(CODECS)
    for name, result in results.items():
        assert result.num_bytes == len(CODECS[name].encode(array))
        assert len(result.curve) == len(GRID)
    assert results["dense"].break_even is None
    # One bit of mask for every value of six.
    assert 0.1 <= results["bitmask"].break_even <= 0.25
    figure = draw_codecs({name: one.curve for name, one in results.items()}, sparsities=GRID, title="codecs")
    [axes] = figure.axes
    assert len(axes.lines) == len(CODECS)


def test_integer_codecs_are_left_out_for_floats():
    array = np.random.default_rng(0).normal(size=(8, 9)).astype(np.float32)
    assert "context" not in {result.codec for result in compare_codecs({"weight": array})}
