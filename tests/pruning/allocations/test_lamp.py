import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.pruning.allocations.lamp import Lamp, lamp_scores


def slow_lamp(scores):
    """Compute the definition term by term; among equal scores the later outlives the earlier."""
    values = [float(score) for score in scores]
    result = []
    for u, score in enumerate(values):
        if score == -torch.inf:
            result.append(-torch.inf)
            continue
        outlive = [v for v, other in enumerate(values) if other > score or (other == score and v >= u)]
        total = sum(max(values[v], 0) ** 2 for v in outlive)
        result.append(max(score, 0) ** 2 / total if total else 0)
    return result


def test_lamp_score_literals():
    assert lamp_scores(torch.tensor([[1.0, 2.0, 3.0]])).tolist() == [[1 / 14, 4 / 13, 1]]
    assert lamp_scores(torch.tensor([3.0, 1.0, 2.0])).tolist() == [1, 1 / 14, 4 / 13]
    assert lamp_scores(torch.tensor([2.0, 2.0, 2.0])).tolist() == [1 / 3, 1 / 2, 1]
    assert lamp_scores(torch.tensor([-5.0, 2.0, 0.0])).tolist() == [0, 1, 0]
    assert lamp_scores(torch.tensor([-torch.inf, 1.0, 2.0])).tolist() == [-torch.inf, 1 / 5, 1]
    assert lamp_scores(torch.zeros(2, 2)).tolist() == [[0, 0], [0, 0]]
    assert lamp_scores(torch.tensor([-torch.inf, 0.0])).tolist() == [-torch.inf, 0]


def test_lamp_literals():
    """Scores are 1/14, 4/13, 1 and 1/3, 1/2, 1: the first two go first, though they are a thousand times larger."""
    scores = {"a": torch.tensor([1e3, 2e3, 3e3]), "b": torch.ones(3)}
    assert Lamp()(scores, 4, final=2) == {"a": 1, "b": 3}
    assert Lamp()(scores, 3, final=2) == {"a": 1, "b": 2}
    assert Lamp()(scores, 2, final=2) == {"a": 1, "b": 1}


values = st.sampled_from([-torch.inf, -1.0, 0.0, 0.25, 0.5, 1.0, 3.0, 7.5])


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=25))
def test_lamp_equals_the_definition(scores):
    found = lamp_scores(torch.tensor(scores)).tolist()
    assert found == pytest.approx(slow_lamp(scores), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e15])
def test_lamp_does_not_depend_on_the_scale_of_a_layer(scale):
    scores = torch.rand(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(lamp_scores(scale * scores), lamp_scores(scores))
    assert lamp_scores((scale * scores).float()).isfinite().all()


def test_lamp_ranks_a_layer_as_its_scores_do():
    scores = torch.randn(200, generator=torch.Generator().manual_seed(1)).abs()
    assert torch.equal(lamp_scores(scores).argsort(), scores.argsort())
    assert lamp_scores(scores).max() == 1


def test_lamp_leaves_the_scores_alone():
    scores = torch.tensor([-1.0, 2.0])
    lamp_scores(scores)
    assert scores.tolist() == [-1, 2]
