"""Latency measurements in which engines take turns, so that drift of the machine affects all of them equally."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.runtime import Predictor


@dataclass(frozen=True)
class Spread:
    """The median and the 10th and 90th percentile of repeated measurements."""

    median: float
    p10: float
    p90: float


@dataclass(frozen=True)
class LatencyRecord:
    """The latency of one engine: milliseconds per batch in each round, from images in memory to logits in memory."""

    batch_size: int
    warmup: int
    rounds_ms: tuple[float, ...]

    @property
    def repeats(self) -> int:
        """The number of timed rounds."""
        return len(self.rounds_ms)

    @property
    def latency_ms(self) -> Spread:
        """The latency of a batch in milliseconds."""
        return spread(self.rounds_ms)

    @property
    def images_per_second(self) -> float:
        """The throughput in images per second at the median latency."""
        return 1000.0 * self.batch_size / self.latency_ms.median


def spread(values: Sequence[float]) -> Spread:
    """Return median and percentiles of at least one value, with linear interpolation between neighbours."""
    p10, median, p90 = np.percentile(values, [10, 50, 90]).tolist()
    return Spread(median=median, p10=p10, p90=p90)


def compare_rounds(reference: LatencyRecord, *, other: LatencyRecord) -> Spread:
    """Return how many times faster ``other`` is than ``reference``: the spread over rounds of the ratio of their times.

    Both must come from the same call of `measure_alternating`, because the ratio is taken within each round.
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
    """Time every predictor once per round, in turns (A B A B ...), and return a record for each.

    ``warmup`` rounds are not timed; ``repeats`` rounds are. ``batch: [B, C, H, W]``. A turn begins with one or more
    untimed calls until ``settle_seconds`` have passed, because caches still hold data of the previous engine, and
    threads of its pool still spin. ``clock`` returns seconds.
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
