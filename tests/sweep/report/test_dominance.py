from hypothesis import given
from hypothesis import strategies as st

from compression.sweep.report.dominance import is_dominated, pareto_front


def test_front_by_hand():
    """Points are (cost, gain): b costs more than a and gains less, e equals c, d has the highest cost and gain."""
    points = [(1.0, 0.5), (2.0, 0.4), (3.0, 0.8), (9.0, 0.9), (3.0, 0.8), (3.0, 0.7)]
    assert pareto_front(points) == [0, 2, 4, 3]
    assert pareto_front([]) == []
    assert pareto_front([(1.0, 1.0)]) == [0]


def test_dominated_by_hand():
    others = [(1.0, 0.5), (3.0, 0.8)]
    assert is_dominated((1.0, 0.4), by=others)
    assert is_dominated((2.0, 0.5), by=others)
    assert not is_dominated((1.0, 0.5), by=others)
    assert not is_dominated((0.5, 0.1), by=others)


numbers = st.integers(0, 6).map(float)


@given(st.lists(st.tuples(numbers, numbers), max_size=30))
def test_no_point_dominates_the_front(points):
    front = pareto_front(points)
    assert sorted(front) == [i for i, point in enumerate(points) if not is_dominated(point, by=points)]
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)
