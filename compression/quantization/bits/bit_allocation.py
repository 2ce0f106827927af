"""Mixed precision: bits go to the layers whose loss falls most per byte (arXiv:2001.00281).

The losses of single layers are added up, as if layers were independent; only ``allocate_for_drop`` measures the loss of
the full network. The smallest sum under a budget is a knapsack problem with one choice per layer. As in
arXiv:2001.00281, its Pareto frontier is searched, but with another measure of loss.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from compression.core.errors import InputError
from compression.quantization.bits.bit_sensitivity import BitTable

# Tolerance when accuracies (fractions) are compared, because sums of floats are not exact.
_TOLERANCE = 1e-9


class _Step(NamedTuple):
    """A change of one layer to more bits: the loss that it saves per byte, and the bytes that it costs."""

    gain_per_byte: float
    layer: str
    bits: int
    num_bytes: int


def packed_bytes(bits: Mapping[str, int], sizes: Mapping[str, int]) -> int:
    """Return the bytes of packed integer weights, ``sum ceil(n * b / 8)``, without scales, biases and header."""
    return sum(-(-sizes[name] * each // 8) for name, each in bits.items())


def allocate_bits(table: BitTable, sizes: Mapping[str, int], *, max_bytes: int | None) -> dict[str, int]:
    """Return the bits of each layer that add the least loss, with packed weights of at most ``max_bytes``.

    The added loss is summed over layers: ``sum (loss of the layer at its bits - baseline)``.

    All layers start at their fewest bytes. Steps along the lower convex hulls of (bytes, loss) are then taken in order
    of falling gain per byte, as long as they fit. Bytes that are left over go to the single change that gains most. The
    added loss exceeds the optimum by less than the gain of the first step that did not fit, so a slightly larger budget
    may add slightly more loss. ``max_bytes=None`` means no budget. Raises ``InputError`` for a budget below the fewest
    possible bytes, and for the table of another model.
    """
    points = _points(table, sizes)
    chosen = {name: _first(row) for name, row in points.items()}
    left = _left(chosen, sizes, max_bytes=max_bytes)
    if left is None:
        return {name: row[-1][2] for name, row in points.items()}
    closed: set[str] = set()
    for step in _steps(points):
        if step.layer in closed:
            continue
        if step.num_bytes <= left:
            chosen[step.layer], left = step.bits, left - step.num_bytes
        else:
            # Later steps of this layer start where this step would end.
            closed.add(step.layer)
    while (choice := _best_choice(points, chosen, left)) is not None:
        chosen[choice.layer], left = choice.bits, left - choice.num_bytes
    return chosen


def allocation_path(table: BitTable, sizes: Mapping[str, int]) -> list[dict[str, int]]:
    """Return the allocations from the fewest bytes to the least added loss; each one is a hull step after the last."""
    points = _points(table, sizes)
    path = [{name: _first(row) for name, row in points.items()}]
    for step in _steps(points):
        path.append(path[-1] | {step.layer: step.bits})
    return path


def allocate_for_drop(
    table: BitTable,
    sizes: Mapping[str, int],
    *,
    baseline: float,
    max_drop: float,
    measure: Callable[[Mapping[str, int]], float],
) -> dict[str, int]:
    """Return the smallest allocation of ``allocation_path`` that keeps accuracy within ``max_drop`` points.

    ``measure`` returns the accuracy, in [0, 1], of the network with the given bits. ``baseline`` is the accuracy of the
    float network on the same held-out training images. A binary search, which assumes that accuracy never falls along
    the path, takes about ``log2(5 * layers)`` measurements. The returned allocation has been measured. Raises
    ``InputError`` if even the allocation with the least added loss drops more, and for the table of another model.
    """
    path = allocation_path(table, sizes)
    lowest = baseline - max_drop / 100 - _TOLERANCE
    accuracy = measure(path[-1])
    if accuracy < lowest:
        raise InputError(
            f"max_drop={max_drop}: with the most bits that help, accuracy drops by {100 * (baseline - accuracy):.2f} "
            "points already; must be at least that"
        )
    too_few, enough = -1, len(path) - 1
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if measure(path[middle]) >= lowest:
            enough = middle
        else:
            too_few = middle
    return path[enough]


def _points(table: BitTable, sizes: Mapping[str, int]) -> dict[str, list[tuple[int, float, int]]]:
    """Return the choices (bytes, loss, bits) of each layer that no other choice beats, by rising bytes."""
    table.check_fits(sizes, source="the table of bits")
    points: dict[str, list[tuple[int, float, int]]] = {}
    for name in sizes:
        row: list[tuple[int, float, int]] = []
        for bits, loss in sorted(table.loss[name].items()):
            if row and loss >= row[-1][1]:
                continue
            num_bytes = packed_bytes({name: bits}, sizes)
            # In a layer with few weights, more bits may need no more bytes.
            if row and row[-1][0] == num_bytes:
                row.pop()
            row.append((num_bytes, loss, bits))
        points[name] = row
    return points


def _first(row: list[tuple[int, float, int]]) -> int:
    return row[0][2]


def _left(chosen: Mapping[str, int], sizes: Mapping[str, int], *, max_bytes: int | None) -> int | None:
    """Return the bytes of the budget that the fewest bits leave over; None without a budget."""
    fewest = packed_bytes(chosen, sizes)
    if max_bytes is not None and max_bytes < fewest:
        raise InputError(f"max_bytes={max_bytes}: must be at least {fewest}, the size with the fewest bits per layer")
    return None if max_bytes is None else max_bytes - fewest


def _steps(points: Mapping[str, list[tuple[int, float, int]]]) -> list[_Step]:
    """Return the steps along the hulls of all layers, by falling gain per byte; steps of one layer stay in order."""
    steps = [step for name, row in points.items() for step in _hull_steps(name, row)]
    # The sort is stable, and along a hull the gain per byte falls.
    return sorted(steps, key=lambda step: -step.gain_per_byte)


def _hull_steps(name: str, row: list[tuple[int, float, int]]) -> Iterator[_Step]:
    position = 0
    while position < len(row) - 1:
        steps = [_step(name, row[position], row[index]) for index in range(position + 1, len(row))]
        # Among equal gains the shortest step is taken, because it may fit where a longer one does not.
        best = max(range(len(steps)), key=lambda index: (steps[index].gain_per_byte, -index))
        yield steps[best]
        position += best + 1


def _step(name: str, start: tuple[int, float, int], end: tuple[int, float, int]) -> _Step:
    num_bytes = end[0] - start[0]
    return _Step((start[1] - end[1]) / num_bytes, name, end[2], num_bytes)


def _best_choice(
    points: Mapping[str, list[tuple[int, float, int]]], chosen: Mapping[str, int], left: int
) -> _Step | None:
    """Return the change of one layer that fits into ``left`` bytes and gains most; None if no change gains."""
    best, most = None, 0.0
    for name, row in points.items():
        start = next(point for point in row if point[2] == chosen[name])
        for end in row:
            if end[1] < start[1] and end[0] - start[0] <= left and start[1] - end[1] > most:
                best, most = _step(name, start, end), start[1] - end[1]
    return best
