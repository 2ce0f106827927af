import math

import pytest

from compression.core.errors import InputError
from compression.sweep.report.limits import check_drop, parse_milliseconds


@pytest.mark.parametrize(("text", "count"), [("0.5ms", 0.5), ("2s", 2000), ("250 us", 0.25), ("250µs", 0.25)])
def test_times(text, count):
    assert parse_milliseconds(text, key="--max-latency") == pytest.approx(count)


@pytest.mark.parametrize("text", ["0.5", "3 KiB", "5 min", "0ms", f"{'9' * 500}ms", f"0.{'0' * 300}1s"])
def test_wrong_times_are_errors(text):
    with pytest.raises(
        InputError, match=r"^--max-latency=.{3,40}: must be a time above 0 such as 0.5ms, 800us or 0.1s"
    ):
        parse_milliseconds(text, key="--max-latency")


@pytest.mark.parametrize("points", [math.nan, math.inf, -math.inf, 100.5, 1e308, -1.0, -0.5])
def test_impossible_drops_are_errors(points):
    with pytest.raises(
        InputError, match=r"^--max-drop .* is not a number of points that may be lost; allowed: 0 to 100"
    ):
        check_drop(points)
    assert [check_drop(allowed) for allowed in (0.0, 0.5, 100.0)] == [0.0, 0.5, 100.0]
