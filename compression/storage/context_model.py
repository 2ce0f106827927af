"""The adaptive model of the context codec: how likely a weight is zero, and how large it is, from those before it.

Every probability comes from whole numbers by additions, multiplications, divisions and comparisons of float64 in a
fixed order (sums of fractions by ``cumsum``, never by ``sum``), so it is the same on every platform.
"""

import numpy as np
from numpy.typing import NDArray

from compression.storage.entropy_coder import Coder, Weights, code_by_class

# (start, step): weight (o, j) is in the phase where o + j = start modulo step. Each row and column shows about the same
# share of its weights in every phase, and all phases before the last one show half of them.
MASK_PHASES = ((0, 16), (8, 16), (4, 8), (2, 4), (1, 2))
# The same for the n-th magnitude; finer, as there are fewer of them and each says more.
MAGNITUDE_PHASES = (
    *((0, 128), (64, 128), (32, 128), (96, 128), (16, 64), (48, 64), (8, 32), (24, 32)),
    *((4, 16), (12, 16), (2, 8), (6, 8), (1, 4), (3, 4)),
)

# A quotient of odds is in level l where it is from 2**((l - 0.5) / 4) to below 2**((l + 0.5) / 4), l from -16 to 16.
_QUARTER_OCTAVES = (1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429)
_EIGHTH_OCTAVE = 1.0905077326652577
_LEVELS = 16
_LEVEL_BOUNDS = np.array(
    [_QUARTER_OCTAVES[level % 4] * _EIGHTH_OCTAVE * 2.0 ** (level // 4) for level in range(-_LEVELS, _LEVELS)]
)
# Row and column level together make a class, half an octave of odds.
_ODDS_OF_CLASS = np.array(
    [_QUARTER_OCTAVES[2 * (index % 2)] * 2.0 ** (index // 2) for index in range(-_LEVELS, _LEVELS + 1)]
)
_MASK_PRIOR = 100.0

# A row's mean magnitude m is in the class where 0.3 + m is nearest, by its logarithm, to 0.45 * 1.11**class.
_MEAN_STEP = 1.11
_MEANS_OF_CLASS = 0.45 * np.multiply.accumulate(np.r_[1.0, np.full(53, _MEAN_STEP)])
_MEAN_BOUNDS = _MEANS_OF_CLASS[:-1] * np.sqrt(_MEAN_STEP)
_MEAN_OFFSET = 0.3
_ROW_PRIOR = 2.5
_CLASS_PRIOR = 60.0
_GLOBAL_PRIOR = 10.0
_FEW = 150
_MAX_BINS = 16


def code_mask(
    coder: Coder, *, shape: tuple[int, int, int], num_stored: int, truth: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Return ``[O, I * K]``: 1 where a weight of ``shape`` (O, I, K) is not zero, of which there are ``num_stored``.

    Phase by phase, in each the rows of one residue after the other. The class of a weight is
    ``(level of its row + level of its column + 1) // 2``, the column's quotient being that of its input channel times
    that of its kernel position; see ``_odds_quotients``. A class with prior odds d of being stored, ``num_stored``'s
    times 2**(class / 2), and n0, n1 seen in phases before this has the weights
    ``[n0 + 100 / (1 + d), n1 + 100 * d / (1 + d)]``.
    """
    rows, channels, positions = shape
    columns = channels * positions
    mask = np.zeros((rows, columns), dtype=np.uint8)
    if num_stored in (0, mask.size):
        mask.fill(num_stored > 0)
        return mask
    density = num_stored / mask.size
    row_seen, column_seen = np.zeros((2, rows), dtype=np.int64), np.zeros((2, columns), dtype=np.int64)
    odds = _ODDS_OF_CLASS * (density / (1.0 - density))
    prior = np.stack([_MASK_PRIOR / (1.0 + odds), _MASK_PRIOR * odds / (1.0 + odds)], axis=1)
    counts = np.zeros_like(prior)
    for phase, (start, step) in enumerate(MASK_PHASES):
        by_kernel = column_seen.reshape(2, channels, positions)
        of_channel = _odds_quotients(by_kernel.sum(axis=2), density=density)
        of_position = _odds_quotients(by_kernel.sum(axis=1), density=density)
        row_levels = _to_levels(_odds_quotients(row_seen, density=density))
        # Both levels count from 0 to 32, as classes do; the 1 rounds half of their sum up.
        column_levels = _to_levels((of_channel[:, None] * of_position[None, :]).reshape(-1)) + np.uint8(1)
        slices = [(slice(o, None, step), slice((start - o) % step, None, step)) for o in range(min(step, rows))]
        blocks = [mask[block] for block in slices]
        classes = np.concatenate(
            [((row_levels[r][:, None] + column_levels[c][None, :]) >> 1).reshape(-1) for r, c in slices]
        )
        if not classes.size:
            continue
        known = None if truth is None else np.concatenate([truth[block].reshape(-1) for block in slices])
        symbols = code_by_class(coder, classes, weights=counts + prior, truth=known)
        first = 0
        for block in blocks:
            block[...] = symbols[first : first + block.size].reshape(block.shape)
            first += block.size
        if phase == len(MASK_PHASES) - 1:
            break
        counts += np.bincount(classes * np.int64(2) + symbols, minlength=counts.size).reshape(counts.shape)
        for (r, c), block in zip(slices, blocks, strict=True):
            row_seen[0, r] += block.shape[1]
            row_seen[1, r] += block.sum(axis=1, dtype=np.int64)
            column_seen[0, c] += block.shape[0]
            column_seen[1, c] += block.sum(axis=0, dtype=np.int64)
    return mask


def code_magnitudes(
    coder: Coder,
    *,
    rows: NDArray[np.integer],
    num_rows: int,
    num_values: int,
    mean: float,
    truth: NDArray[np.uint8] | None,
) -> NDArray[np.uint8]:
    """Return for each of ``rows: [N]``, the row it is in, a magnitude from 0 to below ``num_values``.

    ``mean`` is about that of all. The class of a magnitude is that of its row's mean so far, with 2.5 magnitudes of
    ``mean`` added.
    """
    magnitudes = np.zeros(rows.size, dtype=np.uint8)
    row_count, row_sum = np.zeros(num_rows), np.zeros(num_rows)
    model = _MagnitudeModel(num_values, mean=mean)
    for start, step in MAGNITUDE_PHASES:
        place = slice(start, None, step)
        part = rows[place]
        if not part.size:
            continue
        means = (row_sum + _ROW_PRIOR * mean) / (row_count + _ROW_PRIOR)
        classes = np.searchsorted(_MEAN_BOUNDS, means + _MEAN_OFFSET, side="right").astype(np.uint8)[part]
        known = None if truth is None else truth[place]
        magnitudes[place] = code_by_class(coder, classes, weights=model.weights(), truth=known)
        model.update(classes, magnitudes[place])
        row_count += np.bincount(part, minlength=num_rows)
        row_sum += np.bincount(part, weights=magnitudes[place], minlength=num_rows)
    return magnitudes


class _MagnitudeModel:
    """Counts of magnitudes by class, with a prior for each class drawn from all of them.

    q, of all magnitudes: their counts, and 10 of a geometric distribution with ``mean`` (a tenth of it even). p, of a
    class: q(a) * (t_c / t)**a, where t = m / (1 + m) for m = ``mean`` and t_c the same for the class (a fiftieth of
    p is q itself). The weights of a class: its counts, and 60 of p. While fewer than 150 magnitudes a value are
    counted, the counts of q are smoothed, and those of a class are of bins of ceil(A / 16) values, which p divides.
    """

    def __init__(self, num_values: int, *, mean: float) -> None:
        self._counts = np.zeros((len(_MEANS_OF_CLASS), num_values))
        ratio = mean / (1.0 + mean)
        geometric = _powers(np.array([ratio]), num_values)[0]
        self._prior = 0.9 * _normalize(geometric) + 0.1 / num_values
        width = -(-num_values // _MAX_BINS)
        self._bins = np.arange(0, num_values, width)
        self._bin_of = np.arange(num_values) // width
        self._tilts = _powers(_MEANS_OF_CLASS / (1.0 + _MEANS_OF_CLASS) / ratio, num_values)

    def weights(self) -> Weights:
        """Return ``[C, A]``."""
        total = self._counts.sum(axis=0)
        num = total.sum()
        few = num < _FEW * total.size
        if few:
            total = _smooth(total, width=total.size // 15)
        everywhere = (total + _GLOBAL_PRIOR * self._prior) / (num + _GLOBAL_PRIOR)
        prior = _CLASS_PRIOR * (0.98 * _normalize(everywhere * self._tilts) + 0.02 * everywhere)
        weights: Weights
        if few and len(self._bins) < total.size:
            prior_of_bin = _add_bins(prior, self._bins)
            seen = _add_bins(self._counts, self._bins)
            weights = prior * ((seen + prior_of_bin) / prior_of_bin)[:, self._bin_of]
        else:
            weights = self._counts + prior
        return weights

    def update(self, classes: NDArray[np.uint8], magnitudes: NDArray[np.uint8]) -> None:
        """Count what was coded."""
        num_values = self._counts.shape[1]
        cells = np.bincount(classes * np.int64(num_values) + magnitudes, minlength=self._counts.size)
        self._counts += cells.reshape(self._counts.shape)


def _odds_quotients(seen: NDArray[np.int64], *, density: float) -> NDArray[np.float64]:
    """Return ``[G]``: for groups of weights, the odds of being stored over those of ``density``, from ``seen: [2, G]``.

    ``seen`` are the numbers n of weights and z of stored ones so far. ``s`` weights of ``density`` are added to each
    group: s = v / t, from 1 to 1e9, v = density * (1 - density) and t the variance of densities between groups,
    as the spread of z beyond that of a binomial distribution has it (at least v * v / 1000).
    """
    number, stored = seen
    variance = density * (1.0 - density)
    pairs = float((number * number).sum() - number.sum())
    added = 10.0 / variance
    if pairs > 0.0:
        spread = float((stored * stored).sum()) - 2.0 * density * float((stored * number).sum())
        spread = spread + density * density * float((number * number).sum()) - variance * float(number.sum())
        between = max(spread / pairs, variance * variance * 0.001)
        added = min(max(variance / between, 1.0), 1e9)
    odds = (stored + added * density) / ((number - stored) + added * (1.0 - density))
    quotients: NDArray[np.float64] = odds * ((1.0 - density) / density)
    return quotients


def _to_levels(quotients: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the levels, counted from 0."""
    return np.searchsorted(_LEVEL_BOUNDS, quotients, side="right").astype(np.uint8)


def _powers(ratios: NDArray[np.float64], num: int) -> NDArray[np.float64]:
    """Return ``[C, num]``: 1, r, r * r, ... of ``ratios: [C]``, each from the one before."""
    factors = np.repeat(ratios[:, None], num, axis=1)
    factors[:, 0] = 1.0
    powers: NDArray[np.float64] = np.multiply.accumulate(factors, axis=1)
    return powers


def _normalize(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``weights: [..., A]`` over their sum, added up from the first."""
    normalized: NDArray[np.float64] = weights / np.cumsum(weights, axis=-1)[..., -1:]
    return normalized


def _add_bins(weights: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``[C, B]``: sums of ``weights: [C, A]`` from each of ``starts`` to the next, added up from the first."""
    sums = np.zeros((len(weights), starts.size))
    for offset in range(int(starts[1])):
        values = weights[:, offset :: int(starts[1])]
        sums[:, : values.shape[1]] += values
    return sums


def _smooth(counts: NDArray[np.float64], *, width: int) -> NDArray[np.float64]:
    """Return ``counts: [A]``, each spread to those up to ``width`` away in a triangle cut off at the ends."""
    size = counts.size
    distance = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
    triangle = np.maximum(width + 1 - distance, 0).astype(np.float64)
    spread: NDArray[np.float64] = np.cumsum(triangle * (counts / triangle.sum(axis=0)), axis=1)[:, -1]
    return spread
