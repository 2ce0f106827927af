"""Latency of engines that take turns, so that a machine's drift hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.runtime import Predictor


@dataclass(frozen=True)
class Spread:
    """Median, 10th and 90th percentile of repeated measurements."""

    median: float
    p10: float
    p90: float


@dataclass(frozen=True)
class LatencyRecord:
    """Milliseconds of each round for one batch, from images in memory to logits in memory."""

    batch_size: int
    warmup: int
    rounds_ms: tuple[float, ...]

    @property
    def repeats(self) -> int:
        """The number of timed rounds."""
        return len(self.rounds_ms)

    @property
    def latency_ms(self) -> Spread:
        """Milliseconds a batch."""
        return spread(self.rounds_ms)

    @property
    def images_per_second(self) -> float:
        """Images a second at the median latency."""
        return 1000.0 * self.batch_size / self.latency_ms.median


def spread(values: Sequence[float]) -> Spread:
    """Return median and percentiles (linear between neighbours) of at least one value."""
    p10, median, p90 = np.percentile(values, [10, 50, 90]).tolist()
    return Spread(median=median, p10=p10, p90=p90)


def compare_rounds(reference: LatencyRecord, *, other: LatencyRecord) -> Spread:
    """Return how many times faster ``other`` is: the spread over rounds of ``t_reference / t_other``.

    Both must come from one `measure_alternating`: the ratio is taken within each round.
    """
    assert reference.repeats == other.repeats, "records of different measurements"
    pairs = zip(reference.rounds_ms, other.rounds_ms, strict=True)
    return spread([slow / fast for slow, fast in pairs])


def measure_alternating(
    predictors: Mapping[str, Predictor],
    *,
    batch: NDArray[np.float32],
    warmup: int,
    repeats: int,
    settle_seconds: float = 0.01,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, LatencyRecord]:
    """Time every predictor once a round, in turn (A B A B ...): ``warmup`` rounds, then ``repeats`` timed.

    ``batch``: [B, 3, H, W]. A turn begins with untimed calls, one and then more until ``settle_seconds`` are
    over: caches are the other's, and threads of the other's pool still spin. ``clock`` gives seconds.
    """
    assert repeats > 0, "nothing to time"
    rounds: dict[str, list[float]] = {name: [] for name in predictors}
    for index in range(warmup + repeats):
        for name, predict in predictors.items():
            turn = clock()
            while True:
                predict(batch)
                start = clock()
                if start - turn >= settle_seconds:
                    break
            predict(batch)
            seconds = clock() - start
            if index >= warmup:
                rounds[name].append(1000.0 * seconds)
    return {
        name: LatencyRecord(batch_size=len(batch), warmup=warmup, rounds_ms=tuple(times))
        for name, times in rounds.items()
    }


def measure_load_seconds(
    load: Callable[[], object], *, repeats: int = 5, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the median seconds of ``load()``, after one call that warms the file cache."""
    load()
    times = []
    for _ in range(repeats):
        start = clock()
        load()
        times.append(clock() - start)
    return statistics.median(times)
