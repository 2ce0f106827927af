"""Three picks among the configurations of a sweep: best accuracy, best compression, best balanced."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compression.core.sizes import format_size
from compression.sweep.report.sweep_ranking import Configuration, Ranking

# A model that keeps less than this fraction of the dense model's accuracy is never picked for its size.
KEPT = 0.9
RULES = {
    "best accuracy": "the highest accuracy",
    "best compression": f"the smallest file among those that keep {100 * KEPT:.0f} % of the dense model's accuracy",
    "best balanced": (
        "the highest harmonic mean of two numbers from 0 to 1, among the same configurations: the share of the "
        f"allowed loss of accuracy that is spared, (kept - {KEPT:g}) / {1 - KEPT:.1g}, at most 1; and the compression "
        "reached, log(ratio) / log(largest ratio among them)"
    ),
}
TIES = "Ties go to the higher accuracy, then to the smaller file, then to the first name."


@dataclass(frozen=True)
class Pick:
    """A picked configuration, and the rule that picked it.

    ``of_grid`` is the best of the sweep's grid if a baseline was picked. ``reason`` says why there is no pick.
    ``tied`` are the other eligible configurations that share its place, smallest file first.
    """

    title: str
    rule: str
    chosen: Configuration | None
    of_grid: Configuration | None
    reason: str | None = None
    tied: tuple[Configuration, ...] = ()


def make_picks(ranking: Ranking) -> list[Pick]:
    """Return the three picks among all finished configurations. Baselines are picked too if they are better.

    There is no pick among runs on different images.
    """
    everything = () if ranking.incomparable else ranking.configurations
    choices: dict[str, Callable[[Sequence[Configuration]], Configuration | None]] = {
        "best accuracy": pick_accuracy,
        "best compression": pick_compression,
        "best balanced": pick_balanced,
    }
    picks = []
    for title, choose in choices.items():
        chosen = choose(everything)
        of_grid = None
        if chosen is not None and chosen.is_baseline:
            of_grid = choose([one for one in everything if not one.is_baseline])
        tied = find_tied(chosen, everything if choose is pick_accuracy else _usable(everything))
        rule = RULES[title].replace("accuracy", ranking.score_name)
        reason = None if chosen else ranking.incomparable or _why_none(everything)
        picks.append(Pick(title, rule, chosen, of_grid, reason, tied))
    return picks


def find_tied(chosen: Configuration | None, among: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """Return the other configurations in ``among`` that share the place of ``chosen``, smallest file first."""
    others = [one for one in among if chosen is not None and one is not chosen and one.place == chosen.place]
    return tuple(sorted(others, key=lambda one: (one.measured.bytes, *_order(one))))


def describe_tie(chosen: Configuration, tied: Sequence[Configuration]) -> str | None:
    """Return a phrase on how many configurations are tied with a choice, and on the smallest; None without ties."""
    if not tied:
        return None
    noisy = any(one.score.mean != chosen.score.mean for one in tied)
    others = f"{len(tied):,} {'others' if len(tied) > 1 else 'other'}{' within the noise of seeds' if noisy else ''}"
    smallest = tied[0]
    if smallest.measured.bytes >= chosen.measured.bytes:
        return f"accuracy tied with {others}, none smaller"
    size = format_size(smallest.measured.bytes)
    return f"accuracy tied with {others}; the smallest of them is {smallest.job.name}, {size}"


def pick_accuracy(configurations: Sequence[Configuration]) -> Configuration | None:
    """Return the configuration with the highest accuracy; None if there is no configuration."""
    return min(configurations, key=_order, default=None)


def pick_compression(configurations: Sequence[Configuration]) -> Configuration | None:
    """Return the configuration with the smallest file among those that keep 90 % of the dense model's accuracy."""
    return choose_first(_usable(configurations), by_bytes=True)


def pick_balanced(configurations: Sequence[Configuration]) -> Configuration | None:
    """Return the configuration with the best ``balance`` among those that keep 90 % of the dense model's accuracy."""
    usable = _usable(configurations)
    largest = max((one.ratio for one in usable), default=1.0)
    return min(usable, key=lambda one: (-balance(one.kept, one.ratio, largest=largest), *_order(one)), default=None)


def choose_first(configurations: Sequence[Configuration], *, by_bytes: bool) -> Configuration | None:
    """Return the configuration with the smallest file, or with the highest accuracy. Ties are broken as for picks."""
    if by_bytes:
        return min(configurations, key=lambda one: (one.measured.bytes, *_order(one)), default=None)
    return pick_accuracy(configurations)


def balance(kept: float, ratio: float, *, largest: float) -> float:
    """Return the harmonic mean of accuracy spared and compression reached, in [0, 1].

    ``spared = (kept - 0.9) / 0.1`` and ``reached = log ratio / log largest``, both clamped to [0, 1].
    """
    spared = min(max((kept - KEPT) / (1 - KEPT), 0.0), 1.0)
    reached = min(max(math.log(ratio) / math.log(largest), 0.0), 1.0) if largest > 1 else 0.0
    return 2 * spared * reached / (spared + reached) if spared + reached else 0.0


def _usable(configurations: Sequence[Configuration]) -> list[Configuration]:
    return [one for one in configurations if one.kept >= KEPT]


def _why_none(configurations: Sequence[Configuration]) -> str:
    if not configurations:
        return "no job has finished"
    best = max(one.kept for one in configurations)
    return f"none keeps {100 * KEPT:.0f} % of the dense model's accuracy; the best keeps {100 * best:.1f} %"


def _order(one: Configuration) -> tuple[float, int, str]:
    return -one.score.mean, one.measured.bytes, one.job.name
