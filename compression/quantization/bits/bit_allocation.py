"""Mixed precision: bits go to the layers whose loss falls most for each byte.

Losses of single layers are added up, as if layers did not know of each other; what a network loses in all is measured
by ``allocate_for_drop``. The least sum under a budget is a knapsack with one choice a layer; arXiv:2001.00281 takes its
Pareto frontier, as here, with another measure of loss.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from compression.core.errors import InputError
from compression.quantization.bits.bit_sensitivity import BitTable

# Of what accuracies are compared to, in points: sums of floats are not exact.
_TOLERANCE = 1e-9


class _Step(NamedTuple):
    """From one number of bits of a layer to more: what it wins for each byte, and the bytes."""

    gain_per_byte: float
    layer: str
    bits: int
    num_bytes: int


def packed_bytes(bits: Mapping[str, int], sizes: Mapping[str, int]) -> int:
    """Return the bytes of the packed integers of weights, ``sum ceil(n * b / 8)``: no scales, biases or header."""
    return sum(-(-sizes[name] * each // 8) for name, each in bits.items())


def added_loss(table: BitTable, bits: Mapping[str, int]) -> float:
    """Return ``sum (loss of the layer at its bits - baseline)``."""
    return sum(table.loss[name][each] - table.baseline for name, each in bits.items())


def allocate_bits(table: BitTable, sizes: Mapping[str, int], *, max_bytes: int | None) -> dict[str, int]:
    """Return the bits of each layer with the least added loss whose packed weights fit into ``max_bytes``.

    All layers begin at their fewest bytes. Then steps along the lower convex hulls of their (bytes, loss) are taken, by
    falling gain per byte, as long as they fit; bytes left over go to whatever single choice still gains most. The sum
    is above the least possible by less than the gain of the first step that did not fit, and never rises with the
    budget.
    None: no budget. Raises ``InputError`` for a budget below the fewest bytes possible, and for another model's table.
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
            # Its later steps begin where this one ends.
            closed.add(step.layer)
    while (choice := _best_choice(points, chosen, left)) is not None:
        chosen[choice.layer], left = choice.bits, left - choice.num_bytes
    return chosen


def allocation_path(table: BitTable, sizes: Mapping[str, int]) -> list[dict[str, int]]:
    """Return the allocations from the fewest bytes to the least added loss, one step along a hull after the other."""
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
    """Return the allocation of fewest bytes, of ``allocation_path``, that keeps accuracy within ``max_drop`` points.

    ``measure`` gives the accuracy, in [0, 1], of the network with such bits; ``baseline`` is that of the float network,
    on the same held-out training images. The path is searched by halves, about ``log2(5 * layers)`` measurements, as if
    accuracy never fell along it; the allocation returned was measured itself. Raises ``InputError`` if even the least
    added loss drops more, and for another model's table.
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
    """Return by layer (bytes, loss, bits), by rising bytes and falling loss: only choices that no other beats."""
    table.check_fits(sizes, source="the table of bits")
    points: dict[str, list[tuple[int, float, int]]] = {}
    for name in sizes:
        row: list[tuple[int, float, int]] = []
        for bits, loss in sorted(table.loss[name].items()):
            if row and loss >= row[-1][1]:
                continue
            num_bytes = packed_bytes({name: bits}, sizes)
            # In a layer of a few weights, more bits may take no byte more.
            if row and row[-1][0] == num_bytes:
                row.pop()
            row.append((num_bytes, loss, bits))
        points[name] = row
    return points


def _first(row: list[tuple[int, float, int]]) -> int:
    return row[0][2]


def _left(chosen: Mapping[str, int], sizes: Mapping[str, int], *, max_bytes: int | None) -> int | None:
    """Return the bytes that the fewest bits leave over; None where there is no budget."""
    fewest = packed_bytes(chosen, sizes)
    if max_bytes is not None and max_bytes < fewest:
        raise InputError(f"max_bytes={max_bytes}: must be at least {fewest}, what the fewest bits of each layer take")
    return None if max_bytes is None else max_bytes - fewest


def _steps(points: Mapping[str, list[tuple[int, float, int]]]) -> list[_Step]:
    """Return the steps along the hulls of all layers, by falling gain per byte; those of a layer are in order."""
    steps = [step for name, row in points.items() for step in _hull_steps(name, row)]
    # The sort keeps the order of equals, and on a hull the gain per byte falls.
    return sorted(steps, key=lambda step: -step.gain_per_byte)


def _hull_steps(name: str, row: list[tuple[int, float, int]]) -> Iterator[_Step]:
    position = 0
    while position < len(row) - 1:
        steps = [_step(name, row[position], row[index]) for index in range(position + 1, len(row))]
        # Of equal gains the shortest: it fits where the longer one may not.
        best = max(range(len(steps)), key=lambda index: (steps[index].gain_per_byte, -index))
        yield steps[best]
        position += best + 1


def _step(name: str, start: tuple[int, float, int], end: tuple[int, float, int]) -> _Step:
    num_bytes = end[0] - start[0]
    return _Step((start[1] - end[1]) / num_bytes, name, end[2], num_bytes)


def _best_choice(
    points: Mapping[str, list[tuple[int, float, int]]], chosen: Mapping[str, int], left: int
) -> _Step | None:
    """Return the change of one layer that fits into ``left`` bytes and gains most; None if none gains."""
    best, most = None, 0.0
    for name, row in points.items():
        start = next(point for point in row if point[2] == chosen[name])
        for end in row:
            if end[1] < start[1] and end[0] - start[0] <= left and start[1] - end[1] > most:
                best, most = _step(name, start, end), start[1] - end[1]
    return best
