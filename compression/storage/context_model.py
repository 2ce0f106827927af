"""The adaptive model of the context codec, which predicts zeros and magnitudes of weights from the weights before them.

Every probability is computed from integers by additions, multiplications, divisions and comparisons of float64 in a
fixed order. Fractions are added with ``cumsum``, never with ``sum``. The result is the same on every platform.
"""

import numpy as np
from numpy.typing import NDArray

from compression.storage.entropy_coder import Coder, Weights, code_by_class

# (start, step): weight (o, j) belongs to the phase where o + j = start modulo step. Every phase covers about the same
# share of each row and column, and the phases before the last one cover half of the weights together.
MASK_PHASES = ((0, 16), (8, 16), (4, 8), (2, 4), (1, 2))
# The same for the n-th magnitude. The phases are finer, since there are fewer magnitudes and each one carries more
# information.
MAGNITUDE_PHASES = (
    *((0, 128), (64, 128), (32, 128), (96, 128), (16, 64), (48, 64), (8, 32), (24, 32)),
    *((4, 16), (12, 16), (2, 8), (6, 8), (1, 4), (3, 4)),
)

# A quotient of odds has level l, from -16 to 16, if it is in [2**((l - 0.5) / 4), 2**((l + 0.5) / 4)).
_QUARTER_OCTAVES = (1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429)
_EIGHTH_OCTAVE = 1.0905077326652577
_LEVELS = 16
_LEVEL_BOUNDS = np.array(
    [_QUARTER_OCTAVES[level % 4] * _EIGHTH_OCTAVE * 2.0 ** (level // 4) for level in range(-_LEVELS, _LEVELS)]
)
# The levels of row and column together give a class; neighbouring classes differ by half an octave of odds.
_ODDS_OF_CLASS = np.array(
    [_QUARTER_OCTAVES[2 * (index % 2)] * 2.0 ** (index // 2) for index in range(-_LEVELS, _LEVELS + 1)]
)
_MASK_PRIOR = 100.0

# A row with the mean magnitude m has the class whose 0.45 * 1.11**class is nearest to 0.3 + m on a logarithmic scale.
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
    """Code the mask of the stored weights and return it: ``[O, I * K]``, 1 where a weight is not zero.

    ``shape`` is (O, I, K), and ``num_stored`` weights are not zero. ``truth: [O, I * K]`` is the mask to write, or None
    to read it. Weights are coded phase by phase; within a phase, rows with the same residue modulo the step come
    together.

    The class of a weight is ``(level of its row + level of its column + 1) // 2``. The quotient of a column is that of
    its input channel times that of its kernel position; see ``_odds_quotients``. The prior odds d of a class are the
    odds of the mask as a whole times 2**(class / 2), with classes counted from -16 to 16. With n0 zeros and n1 stored
    weights of the class in earlier phases, its distribution has the weights
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
        # Both levels run from 0 to 32, as classes do. The added 1 rounds half of their sum up.
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
    """Code N magnitudes in ``[0, num_values)`` and return them.

    ``rows: [N]`` holds the row of each magnitude, and ``mean`` is about the mean of all of them. ``truth: [N]`` holds
    the magnitudes to write, or is None to read them. The class of a magnitude comes from the mean of its row so far,
    to which 2.5 magnitudes with the value ``mean`` are added as a prior.
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
    """The distribution of magnitudes in each class: counts so far, with a prior derived from all classes.

    - q, the distribution over all classes: the counts, plus 10 pseudo-counts of a geometric distribution with ``mean``,
      of which a tenth is uniform.
    - p, the prior of a class: q(a) * (t_c / t)**a, normalized, with t = m / (1 + m) for m = ``mean`` and t_c the same
      for the mean of the class; a fiftieth of p is q itself.
    - The weights of a class: its counts, plus 60 pseudo-counts of p.

    While the counts are below 150 per value, the counts in q are smoothed. The counts of a class are then taken over
    bins of ceil(A / 16) values, and p divides each bin among its values.
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
        """Return the weights ``[C, A]`` of A magnitudes for each of C classes."""
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
        """Add coded ``magnitudes: [N]`` of ``classes: [N]`` to the counts."""
        num_values = self._counts.shape[1]
        cells = np.bincount(classes * np.int64(num_values) + magnitudes, minlength=self._counts.size)
        self._counts += cells.reshape(self._counts.shape)


def _odds_quotients(seen: NDArray[np.int64], *, density: float) -> NDArray[np.float64]:
    """Return ``[G]``: the odds that a weight of each group is stored, divided by the odds of the overall ``density``.

    ``seen: [2, G]`` holds the number n of weights and the number z of stored weights of each group so far. As a prior,
    s weights of the overall ``density`` are added to each group: s = v / t, limited to [1, 1e9], with v = density *
    (1 - density). t is the variance of the density between groups, estimated from the spread of z beyond that of a
    binomial distribution, and at least v * v / 1000.
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
    """Return the level of each quotient, counted from 0."""
    return np.searchsorted(_LEVEL_BOUNDS, quotients, side="right").astype(np.uint8)


def _powers(ratios: NDArray[np.float64], num: int) -> NDArray[np.float64]:
    """Return ``[C, num]``: 1, r, r * r, ... for ``ratios: [C]``; each power is computed from the one before."""
    factors = np.repeat(ratios[:, None], num, axis=1)
    factors[:, 0] = 1.0
    powers: NDArray[np.float64] = np.multiply.accumulate(factors, axis=1)
    return powers


def _normalize(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``weights: [..., A]`` divided by their sum, which is accumulated from the first one on."""
    normalized: NDArray[np.float64] = weights / np.cumsum(weights, axis=-1)[..., -1:]
    return normalized


def _add_bins(weights: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``[C, B]``: sums of ``weights: [C, A]`` over the bins that begin at ``starts``, accumulated in order."""
    sums = np.zeros((len(weights), starts.size))
    for offset in range(int(starts[1])):
        values = weights[:, offset :: int(starts[1])]
        sums[:, : values.shape[1]] += values
    return sums


def _smooth(counts: NDArray[np.float64], *, width: int) -> NDArray[np.float64]:
    """Return ``counts: [A]`` smoothed by a triangle that reaches ``width`` values to each side, cut off at the ends."""
    size = counts.size
    distance = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
    triangle = np.maximum(width + 1 - distance, 0).astype(np.float64)
    spread: NDArray[np.float64] = np.cumsum(triangle * (counts / triangle.sum(axis=0)), axis=1)[:, -1]
    return spread
