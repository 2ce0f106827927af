"""Pareto fronts of a sweep: accuracy against sparsity, bytes and latency."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compression.sweep.report.dominance import is_dominated, pareto_front
from compression.sweep.report.sweep_ranking import Configuration, Ranking

# The costs of a configuration: lower is better, None is unknown. Sparsity is negated, because more is better.
COSTS: Mapping[str, Callable[[Configuration], float | None]] = {
    "sparsity": lambda one: -one.measured.sparsity,
    "bytes": lambda one: one.measured.bytes,
    "latency": lambda one: one.milliseconds,
}


@dataclass(frozen=True)
class Front:
    """The front of accuracy against one cost.

    ``members`` are the configurations of the grid that no other one of the grid dominates, cheapest first.
    ``unbeaten_baselines`` are the baselines that no configuration of the grid dominates.
    """

    against: str
    members: tuple[Configuration, ...]
    unbeaten_baselines: tuple[Configuration, ...]


def make_fronts(ranking: Ranking) -> dict[str, Front]:
    """Return the front against each cost, by its name. The accuracy is the one that choices are based on.

    Fronts of runs on different images are empty.
    """
    return {against: _make_front(ranking, against) for against in COSTS}


def _make_front(ranking: Ranking, against: str) -> Front:
    compared = () if ranking.incomparable else ranking.configurations
    known = [(one, cost) for one in compared if (cost := COSTS[against](one)) is not None]
    grid = [(one, (cost, one.score.mean)) for one, cost in known if not one.is_baseline]
    points = [point for _, point in grid]
    return Front(
        against,
        members=tuple(grid[index][0] for index in pareto_front(points)),
        unbeaten_baselines=tuple(
            one for one, cost in known if one.is_baseline and not is_dominated((cost, one.score.mean), by=points)
        ),
    )
