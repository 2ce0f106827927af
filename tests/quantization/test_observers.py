import inspect
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import get_class
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import InputError
from compression.quantization.grid import Grid, activation_grid, weight_grid
from compression.quantization.observers.entropy import Entropy, divergences, entropy_threshold
from compression.quantization.observers.histogram import MagnitudeHistogram
from compression.quantization.observers.mean_squared_error import (
    MeanSquaredError,
    mean_squared_error_threshold,
    squared_errors,
)
from compression.quantization.observers.min_max import MinMax, largest_magnitudes
from compression.quantization.observers.moving_average import MovingAverage, move_average
from compression.quantization.observers.percentile import Percentile, percentile_threshold

CONF = Path(__file__).parents[2] / "conf" / "quantization"
OBSERVERS = [MinMax, MovingAverage, Percentile, MeanSquaredError, Entropy]
# A moving average depends on the order of batches.
ORDERLESS = [MinMax, Percentile, MeanSquaredError, Entropy]
# With scale and threshold the same.
UNIT = Grid(-1, 1)
GRIDS = [weight_grid(8), weight_grid(2), activation_grid(4, signed=False), activation_grid(8, signed=False)]

values = st.floats(-100, 100, width=32) | st.integers(-3, 3).map(float)
lists_of_values = st.lists(values, min_size=1, max_size=12)


def see(observer, *batches):
    for batch in batches:
        observer.observe(torch.as_tensor(batch))
    return observer


def make_histogram(counts, *, num_zeros=0):
    """Return a histogram with bins of width 1 that starts with these counts; values lie in the middle of the bins."""
    counts = torch.tensor([counts])
    assert counts.shape[1] == 512
    largest = counts[0].nonzero().max().item() + 0.5
    assert largest > 256
    return MagnitudeHistogram(counts=counts, num_zeros=torch.tensor([num_zeros]), largest=torch.tensor([largest]))


def random_counts(seed, *, most=20, used=512, empty=0.5):
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, most + 1, 512) * (generator.random(512) >= empty)
    counts[used:] = 0
    counts[used - 1] = 1
    return counts.tolist()


def test_largest_magnitudes_literals():
    assert largest_magnitudes(torch.tensor([[1.0, -2.0], [0.0, -0.0], [3.0, 2.0]])).tolist() == [2, 0, 3]


def test_min_max_literals():
    observer = see(MinMax(), [[1.0, -2.54], [0.0, 0.0]], [[1.27, 0.0], [0.5, -0.25]])
    assert observer.scale(weight_grid(8)).tolist() == pytest.approx([0.02, 0.5 / 127])
    assert observer.scale(activation_grid(8, signed=False)).tolist() == pytest.approx([2.54 / 255, 0.5 / 255])


def test_moving_average_literals():
    observer = see(MovingAverage(), [[4.0], [1.0]], [[-8.0], [0.0]])
    assert observer.scale(UNIT).tolist() == pytest.approx([4.4, 0.9])
    assert see(observer, [[0.0], [0.0]]).scale(UNIT).tolist() == pytest.approx([3.96, 0.81])
    assert see(MovingAverage(momentum=1), [[4.0]], [[3.0]]).scale(UNIT).tolist() == [3]
    assert move_average(torch.tensor([1.0]), torch.tensor([3.0]), momentum=0.25).tolist() == [1.5]


@pytest.mark.parametrize(
    ("percentile", "threshold"),
    # 100 integers have a range of 128 and bins of width 1/16; each is the lower edge of its bin.
    [(100, 100), (99.99, 100), (50, 50 + 1 / 16), (49.5, 50 + 1 / 32), (1, 1 + 1 / 16), (0.5, 1 + 1 / 32)],
)
def test_percentile_of_1_to_100(percentile, threshold):
    observer = see(Percentile(percentile=percentile), torch.arange(1.0, 101)[None])
    assert observer.scale(UNIT).tolist() == pytest.approx([threshold], rel=1e-6)


def test_percentile_within_a_bin():
    histogram = make_histogram([0] * 100 + [8] + [0] * 299 + [2] + [0] * 111)
    # The bin 100 holds 80 %; the bin 400 ends at the largest magnitude, 400.5.
    for percentile, threshold in ((20, 100.25), (40, 100.5), (80, 101), (90, 400.25), (100, 400.5)):
        assert percentile_threshold(histogram, percentile=percentile).tolist() == pytest.approx([threshold])


def test_percentile_counts_zeros():
    histogram = make_histogram([0] * 300 + [5] + [0] * 211, num_zeros=15)
    assert percentile_threshold(histogram, percentile=80).tolist() == pytest.approx([300.1])
    # Among the zeros: in the first bin.
    assert percentile_threshold(histogram, percentile=30).tolist() == pytest.approx([0.4])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1, 100))
def test_percentile_equals_its_definition(seed, percentile):
    magnitudes = np.abs(np.random.default_rng(seed).standard_normal(500)).astype(np.float32)
    threshold = see(Percentile(percentile=percentile), -magnitudes[None]).scale(UNIT).item()
    width = 2.0 ** math.ceil(math.log2(magnitudes.max())) / 2048
    # Exact to within a bin.
    assert (magnitudes <= threshold - width).mean() <= percentile / 100 <= (magnitudes < threshold + width).mean()


def test_mean_squared_error_literals():
    # Candidates are multiples of 0.25. At 1 the error is 1.5^2, at 1.25 it is 99 / 4^2 + 1.25^2, at 0.75 the like.
    observer = see(MeanSquaredError(num_candidates=10), [[1.0] * 99 + [2.5]])
    assert observer.scale(Grid(-1, 1)).tolist() == [1]
    # Integers up to 2 hold both values at 2.5, and only there.
    assert see(MeanSquaredError(num_candidates=10), [[1.25] * 99 + [2.5]]).scale(Grid(-2, 2)).tolist() == [1.25]


def brute_force_errors(counts, largest, thresholds, high):
    upper = np.minimum(np.arange(1, 513), largest)
    centres = (np.arange(512) + upper) / 2
    errors = []
    for threshold in thresholds:
        scale = threshold / high
        rounded = np.clip(np.round(centres / scale), 0, high) * scale
        errors.append((counts * (centres - rounded) ** 2).sum())
    return np.array(errors)


@pytest.mark.parametrize("high", [1, 3, 7, 15, 127, 255])
@pytest.mark.parametrize("used", [257, 400, 512])
def test_squared_errors_against_brute_force(high, used):
    histogram = make_histogram(random_counts(used + high, used=used))
    thresholds = histogram.largest.double() * torch.arange(1, 101) / 100
    counts = histogram.counts[0].numpy()
    expected = brute_force_errors(counts, histogram.largest.item(), thresholds.tolist(), high)
    errors = squared_errors(histogram, thresholds[None], high=high)[0].numpy()
    constant = (counts * ((np.arange(512) + np.minimum(np.arange(1, 513), used - 0.5)) / 2) ** 2).sum()
    np.testing.assert_allclose(errors + constant, expected, rtol=1e-9, atol=1e-9 * constant)
    best = mean_squared_error_threshold(histogram, high=high, num_candidates=100)
    assert best.item() == thresholds[expected.argmin()].item()


def test_mean_squared_error_of_a_normal_distribution():
    # The best uniform quantizer with levels -t, 0, t has t = 1.224 standard deviations (Max, 1960).
    rows = torch.randn(1, 200_000, generator=torch.Generator().manual_seed(0))
    observer = see(MeanSquaredError(num_candidates=400), rows)
    assert observer.scale(weight_grid(2)).item() == pytest.approx(1.224, abs=0.03)


def divergence_by_definition(counts, num_kept, high):
    p = [float(count) for count in counts[:num_kept]]
    p[-1] += sum(counts[num_kept:])
    integers = [min(math.floor((k + 0.5) * high / num_kept + 0.5), high) for k in range(num_kept)]
    q = [0.0] * num_kept
    for integer in set(integers):
        members = [k for k in range(num_kept) if integers[k] == integer]
        filled = [k for k in members if p[k] > 0]
        for k in filled:
            q[k] = sum(counts[m] for m in members) / len(filled)
    if sum(q) == 0 or any(a > 0 and b == 0 for a, b in zip(p, q, strict=True)):
        return math.inf
    return sum(a / sum(p) * math.log(a / sum(p) / (b / sum(q))) for a, b in zip(p, q, strict=True) if a > 0)


def test_divergence_literals():
    # Kept 2 of 3 bins, 0 and 1 to themselves: P = (1, 3) / 4, Q = (1, 1) / 2.
    counts, num_kept = torch.tensor([[1, 1, 2]]), torch.tensor([[2, 3]])
    first, second = divergences(counts, num_kept, high=1)[0].tolist()
    assert first == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5))
    # Scale 3: the centre 0.5 goes to 0, 1.5 and 2.5 to 1. P = (1, 1, 2) / 4, Q = (1, 1.5, 1.5) / 4.
    assert second == pytest.approx(0.25 * math.log(1 / 1.5) + 0.5 * math.log(2 / 1.5))


@pytest.mark.parametrize("high", [1, 3, 7, 31, 127, 255])
@pytest.mark.parametrize("empty", [0, 0.5, 0.98])
def test_divergences_against_the_definition(high, empty):
    histogram = make_histogram(random_counts(high, used=400, empty=empty))
    num_kept = [high + 1, 256, 257, 300, 399, 400]
    expected = [divergence_by_definition(histogram.counts[0].tolist(), kept, high) for kept in num_kept]
    result = divergences(histogram.counts, torch.tensor([num_kept]), high=high)[0].tolist()
    assert result == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_entropy_threshold_against_the_definition():
    # Falls evenly, then a long thin tail.
    counts = [max(400 - 4 * k, 0) + (1 if k % 40 == 0 else 0) for k in range(512)]
    histogram = make_histogram(counts)
    kept = [math.ceil(481 * i / 50) for i in range(1, 51)]
    for high in (3, 7, 15):
        expected = {k: divergence_by_definition(counts, k, high) for k in kept if k > high}
        best = min(expected, key=expected.get)
        assert entropy_threshold(histogram, high=high, num_candidates=50).tolist() == [min(best, 480.5)]
        assert 50 < best < 300


@pytest.mark.parametrize("bits", [8, 6, 4, 2])
def test_entropy_is_sensible_at_any_width(bits):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1, 100_000, generator=generator)
    rows[0, :5] = 40
    threshold = see(Entropy(), rows).scale(weight_grid(bits)).item() * weight_grid(bits).high
    assert 1.5 < threshold < 5
    threshold = see(Entropy(), rows.relu()).scale(activation_grid(bits, signed=False)).item() * (2**bits - 1)
    assert 1.5 < threshold < 6


@pytest.mark.parametrize("bits", [8, 6, 4, 2])
def test_entropy_clips_little_of_few_values(bits):
    rows = torch.randn(1, 10, generator=torch.Generator().manual_seed(1))
    threshold = see(Entropy(), rows).scale(weight_grid(bits)).item() * weight_grid(bits).high
    assert threshold == pytest.approx(rows.abs().max().item())


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("grid", GRIDS)
def test_rows_of_zeros_and_of_one_value(observer, grid):
    rows = torch.tensor([[0.0] * 4, [0.37] * 4, [0.0, 0.0, 0.0, 2.0], [1.0] * 4, [1e-3] * 4])
    expected = [1, *(value / grid.high for value in (0.37, 2, 1, 1e-3))]
    # Of four values, an interpolated 99.99 % lies just short of the largest.
    assert see(observer(), rows).scale(grid).tolist() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("value", [0.37, 1.0, -2.5, 1e-6, 3e4])
def test_single_value(observer, value):
    assert see(observer(), [[value]]).scale(UNIT).tolist() == pytest.approx([abs(value)], rel=1e-3)


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(observer, dtype):
    rows = torch.randn(2, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    scale = see(observer(), rows).scale(weight_grid(4))
    assert scale.dtype == torch.float32
    assert torch.equal(scale, see(observer(), rows.float()).scale(weight_grid(4)))


@pytest.mark.parametrize("observer", OBSERVERS)
def test_gradients_and_inference_mode_do_not_matter(observer):
    rows = torch.randn(2, 50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    seen = observer()
    with torch.inference_mode():
        seen.observe(rows)
    scale = see(seen, rows).scale(weight_grid(4))
    assert not scale.requires_grad
    assert torch.equal(scale, see(observer(), rows.detach(), rows.detach()).scale(weight_grid(4)))


@pytest.mark.parametrize("observer", OBSERVERS)
def test_no_values(observer):
    with pytest.raises(InputError, match=rf"^observer {observer.__name__} saw no values: .* at least one batch$"):
        observer().scale(UNIT)


@pytest.mark.parametrize("observer", OBSERVERS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_threshold_is_positive_and_at_most_the_largest(observer, data):
    batches = data.draw(st.lists(lists_of_values, min_size=1, max_size=4))
    largest = max(abs(value) for batch in batches for value in batch)
    for grid in GRIDS:
        scale = see(observer(), *([batch] for batch in batches)).scale(grid).item()
        assert 0 < scale <= (max(largest / grid.high, 2.0**-40) if largest else 1) * (1 + 1e-6)


@pytest.mark.parametrize("observer", ORDERLESS)
@settings(max_examples=12, deadline=None)
@given(batches=st.lists(lists_of_values, min_size=1, max_size=4), random=st.randoms())
def test_order_of_batches_does_not_matter(observer, batches, random):
    scales = [
        see(observer(), *([batch] for batch in order)) for order in (batches, random.sample(batches, len(batches)))
    ]
    for grid in GRIDS:
        assert torch.equal(*(seen.scale(grid) for seen in scales))


@pytest.mark.parametrize("observer", OBSERVERS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_rows=st.integers(1, 20), width=st.integers(1, 60))
def test_rows_are_independent(observer, seed, num_rows, width):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(num_rows, width, generator=generator) * torch.rand(num_rows, 1, generator=generator) * 9
    picked = torch.randperm(num_rows, generator=generator)[:3]
    for grid in GRIDS:
        stacked = see(observer(), rows, rows / 3).scale(grid)
        alone = [see(observer(), row[None], row[None] / 3).scale(grid) for row in rows[picked]]
        assert torch.equal(stacked[picked], torch.cat(alone))


@pytest.mark.parametrize("observer", OBSERVERS)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-8, 8), width=st.integers(1, 60))
def test_a_power_of_two_scales_the_scale(observer, seed, exponent, width):
    rows = torch.randn(2, width, generator=torch.Generator().manual_seed(seed))
    for grid in GRIDS:
        scaled = see(observer(), rows * 2.0**exponent, -rows * 2.0**exponent).scale(grid)
        assert torch.equal(scaled, see(observer(), -rows, rows).scale(grid) * 2.0**exponent)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *((lambda m=m: MovingAverage(momentum=m), rf"momentum={m}: .* in \(0, 1\]") for m in (0, -0.1, 1.5, math.nan)),
        (lambda: MovingAverage(momentum=True), r"momentum=True: must be a number in \(0, 1\]"),
        *((lambda p=p: Percentile(percentile=p), rf"percentile={p}: .* in \(0, 100\]") for p in (0, 101, -5, math.nan)),
        (lambda: Percentile(percentile="99"), r"percentile=99: must be a number in \(0, 100\]"),
        *(
            (lambda n=n, o=o: o(num_candidates=n), rf"num_candidates={n}: must be an integer in \[1, 10000\]")
            for n in (0, 10001, 1.5, True)
            for o in (MeanSquaredError, Entropy)
        ),
        (lambda: Entropy(num_bins=1000), r"num_bins=1000: must be a power of two in \[512, 65536\]"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        make()


@pytest.mark.parametrize("observer", OBSERVERS)
def test_parameters_are_keyword_only(observer):
    with pytest.raises(TypeError):
        observer(1)


@pytest.mark.parametrize(
    "path",
    sorted([*CONF.glob("activations/*"), *CONF.glob("weights/*")]),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_choices_have_the_defaults(path):
    choice = yaml.safe_load(path.read_text())
    parameters = inspect.signature(get_class(choice.pop("_target_"))).parameters
    assert choice == {name: parameter.default for name, parameter in parameters.items()}
