"""Pareto fronts of points that have a cost and a gain."""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the points (cost, gain) that no other point dominates, in order of rising cost.

    A point dominates another if it costs no more and gains no less, and is better in at least one of the two. Equal
    points are all kept.
    """
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1]))
    front: list[int] = []
    for index in order:
        if not front or points[index][1] > points[front[-1]][1] or points[index] == points[front[-1]]:
            front.append(index)
    return front


def is_dominated(point: tuple[float, float], *, by: Sequence[tuple[float, float]]) -> bool:
    """Return whether a point in ``by`` dominates ``point``, both as (cost, gain)."""
    return any(cost <= point[0] and gain >= point[1] and (cost, gain) != point for cost, gain in by)
