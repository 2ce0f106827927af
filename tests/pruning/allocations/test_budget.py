"""Budgets: exact counts by hand, and the properties of the ranking."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.pruning.allocations.budget import budget_floors, budget_num_kept
from compression.pruning.allocations.global_ import global_num_kept

NO_FLOORS = {"a": 0, "b": 0}


def cost_of(num_kept, costs):
    return sum(count * costs[name] for name, count in num_kept.items())


def by_loop(scores, budget, floors, costs):
    """Keep the floors, then one weight after the other from the highest score, until one does not fit."""
    ranked = {name: sorted(score.flatten().tolist(), reverse=True) for name, score in scores.items()}
    kept = dict(floors)
    while True:
        left = [(ranked[name][count], name) for name, count in kept.items() if count < len(ranked[name])]
        if not left or max(left)[0] == -torch.inf:
            return kept
        name = max(left)[1]
        if cost_of(kept, costs) + costs[name] > budget:
            return kept
        kept[name] += 1


@pytest.mark.parametrize(
    ("budget", "kept"),
    [(0, (0, 0)), (1, (0, 1)), (4, (0, 1)), (5, (1, 1)), (6, (1, 2)), (9, (1, 2)), (10, (2, 2)), (11, (2, 3))],
)
def test_literals(budget, kept):
    """The ranking is b, a, b, a, b, and a weight of a costs 4. If a weight does not fit, no later one is kept."""
    scores = {"a": torch.tensor([4.0, 2.0]), "b": torch.tensor([5.0, 3.0, 1.0])}
    found = budget_num_kept(scores, budget=budget, floors=NO_FLOORS, costs={"a": 4, "b": 1})
    assert (found["a"], found["b"]) == kept


def test_equal_costs_give_the_counts_of_the_plain_ranking():
    generator = torch.Generator().manual_seed(0)
    scores = {"a": torch.rand(6, 20, generator=generator), "b": torch.rand(4, 30, generator=generator)}
    for num_kept in (24, 100, 240):
        found = budget_num_kept(scores, budget=7 * num_kept + 6, floors=NO_FLOORS, costs={"a": 7, "b": 7})
        assert found == global_num_kept(scores, num_kept=num_kept, floor=0)


def test_floors_are_kept_first():
    scores = {"a": torch.tensor([4.0, 2.0]), "b": torch.tensor([50.0, 30.0, 10.0])}
    assert budget_num_kept(scores, budget=9, floors={"a": 2, "b": 0}, costs={"a": 4, "b": 1}) == {"a": 2, "b": 1}


def test_pruned_weights_are_not_kept_though_the_budget_would_allow_it():
    scores = {"a": torch.tensor([4.0, -torch.inf]), "b": torch.tensor([-torch.inf, 3.0])}
    assert budget_num_kept(scores, budget=100, floors=NO_FLOORS, costs={"a": 4, "b": 1}) == {"a": 1, "b": 1}


def test_floors_by_hand():
    """Two floors of 18 weights cost 18 * 10 + 18 = 198. A budget of 200 halves them: 17 * share + 1 weights each."""
    scores = {"a": torch.ones(2, 9, 3), "b": torch.ones(2, 9, 3)}
    costs = {"a": 10, "b": 1}
    assert budget_floors(scores, budget=1000, floor=9, costs=costs) == {"a": 18, "b": 18}
    assert budget_floors(scores, budget=396, floor=9, costs=costs) == {"a": 18, "b": 18}
    assert budget_floors(scores, budget=200, floor=9, costs=costs) == {"a": 9, "b": 9}
    assert budget_floors(scores, budget=11, floor=9, costs=costs) == {"a": 1, "b": 1}
    assert budget_floors(scores, budget=11, floor=0, costs=costs) == {"a": 1, "b": 1}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 7), st.floats(0, 12), st.booleans(), st.booleans())
def test_a_budget_is_spent_to_within_one_weight(seed, cost_a, cost_b, floor, ties, pruned):
    generator = torch.Generator().manual_seed(seed)
    scores = {"a": torch.rand(4, 6, generator=generator), "b": torch.rand(3, 2, 3, 3, generator=generator)}
    if ties:
        scores = {name: (score * 3).round() for name, score in scores.items()}
    if pruned:
        scores = {name: score.masked_fill(score < score.median(), -torch.inf) for name, score in scores.items()}
    costs = {"a": cost_a, "b": cost_b}
    total = 24 * cost_a + 54 * cost_b
    final = total // 5
    floors = budget_floors(scores, budget=final, floor=floor, costs=costs)
    assert cost_of(floors, costs) <= max(final / 2, cost_a + cost_b)
    before = None
    for budget in (total, total // 2, total // 3, final):
        kept = budget_num_kept(scores, budget=budget, floors=floors, costs=costs)
        assert cost_of(kept, costs) <= budget
        assert all(kept[name] >= floors[name] for name in kept)
        assert before is None or all(kept[name] <= before[name] for name in kept)
        if not ties:
            assert kept == by_loop(scores, budget, floors, costs)
        if any(kept[name] < int(score.isfinite().sum()) for name, score in scores.items()):
            assert cost_of(kept, costs) > budget - max(costs.values())
        before = kept
