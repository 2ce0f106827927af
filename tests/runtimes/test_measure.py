import numpy as np
import pytest

from compression.runtimes.measure import (
    LatencyRecord,
    compare_rounds,
    measure_alternating,
    measure_load_seconds,
    spread,
)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def make_predictor(name, seconds, clock, calls):
    durations = iter(seconds)

    def predict(images):
        calls.append(name)
        clock.now += next(durations)
        return images

    return predict


def test_engines_take_turns_and_the_second_call_is_timed():
    clock, calls = Clock(), []
    # Per turn: an untimed call, then the timed one.
    predictors = {
        "a": make_predictor("a", [9, 9, 9, 1, 9, 2], clock, calls),
        "b": make_predictor("b", [9, 9, 9, 4, 9, 4], clock, calls),
    }
    batch = np.zeros((5, 3, 2, 2), dtype=np.float32)
    records = measure_alternating(predictors, batch=batch, warmup=1, repeats=2, clock=clock)
    assert "".join(calls) == "aabb" * 3
    assert records["a"] == LatencyRecord(batch_size=5, warmup=1, rounds_ms=(1000.0, 2000.0))
    assert records["b"] == LatencyRecord(batch_size=5, warmup=1, rounds_ms=(4000.0, 4000.0))
    assert records["a"].repeats == 2
    assert records["a"].latency_ms.median == 1500.0
    assert records["a"].images_per_second == pytest.approx(5 / 1.5)


def test_a_turn_waits_until_it_has_settled():
    clock, calls = Clock(), []
    predictors = {"a": make_predictor("a", [0.25] * 10, clock, calls)}
    measure_alternating(
        predictors,
        batch=np.zeros((1, 3, 2, 2), np.float32),
        warmup=0,
        repeats=2,
        settle_seconds=1,
        clock=clock,
    )
    assert len(calls) == 2 * (4 + 1)


def test_spread_by_hand():
    values = [float(value) for value in range(11)]
    result = spread(values)
    assert (result.p10, result.median, result.p90) == (1.0, 5.0, 9.0)
    assert spread([3.0]).p90 == 3.0


def test_ratios_are_taken_within_a_round():
    slow = LatencyRecord(batch_size=1, warmup=0, rounds_ms=(10.0, 100.0, 30.0))
    fast = LatencyRecord(batch_size=1, warmup=0, rounds_ms=(5.0, 10.0, 10.0))
    # 2, 10 and 3; the ratio of medians would be 3 as well, its spread would not.
    ratio = compare_rounds(slow, other=fast)
    assert ratio.median == 3.0
    assert ratio.p10 == pytest.approx(2.2)
    assert compare_rounds(slow, other=slow).p90 == 1.0


def test_load_seconds_is_a_median_after_a_warm_call():
    clock = Clock()
    durations = iter([100.0, 1.0, 7.0, 2.0])

    def load():
        clock.now += next(durations)

    assert measure_load_seconds(load, repeats=3, clock=clock) == 2.0
