import pytest

from compression.analysis.intervals import Interval
from compression.analysis.paired_comparison import ClassChange
from compression.analysis.verdict import format_p, write_verdict


def change(index, points, *, p_value, worsened=5, improved=0):
    interval = Interval(points / 100, points / 100 - 0.01, points / 100 + 0.01)
    return ClassChange(index, 100, worsened, improved, interval, p_value, p_value)


def verdict(points, *classes, p_value):
    interval = Interval(points / 100, points / 100 - 0.01, points / 100 + 0.01)
    return write_verdict(interval, p_value=p_value, classes=classes, class_names=["cat", "dog", "elk", "fox", "gnu"])


def test_a_loss_beyond_chance_names_who_paid():
    assert verdict(-2.5, change(1, -5.0, p_value=0.001), change(0, 1.0, p_value=0.5), p_value=0.00001) == (
        "Accuracy falls by 2.50 points (95 % interval -3.50 to -1.50), more than chance explains "
        "(McNemar p < 0.0001); dog (-5.0 points) loses more than chance explains."
    )


def test_a_change_within_chance_is_no_proof_of_equality():
    assert verdict(0.5, change(0, 0.5, p_value=1, improved=6), p_value=0.3) == (
        "Accuracy rises by 0.50 points (95 % interval -0.50 to +1.50), which chance can explain "
        "(McNemar p = 0.30); no single class loses more than chance explains."
    )


def test_no_change_beside_flips():
    assert verdict(0.0, change(0, 0, p_value=1, worsened=3, improved=3), p_value=1) == (
        "The number of correct images is the same (3 worsened and as many improved; 95 % interval -1.00 to +1.00 "
        "points); no single class loses more than chance explains."
    )


def test_no_flip():
    text = verdict(0.0, change(0, 0, p_value=1, worsened=0), p_value=1)
    assert text == "Both models are right on exactly the same images."


@pytest.mark.parametrize(
    ("num", "end"),
    [
        (2, "cat (-9.0 points) and dog (-8.0 points) lose more than chance explains."),
        (4, "dog (-8.0 points), elk (-7.0 points) and 1 more class lose more than chance explains."),
        (5, "dog (-8.0 points), elk (-7.0 points) and 2 more classes lose more than chance explains."),
    ],
)
def test_at_most_three_losers_are_named(num, end):
    losers = [change(index, index - 9, p_value=0.01) for index in range(num)]
    assert verdict(-5, *losers, p_value=0.01).endswith(end)


def test_p_values_as_text():
    values = (1, 0.18, 0.0421, 0.00042, 0.00003)
    assert [format_p(value) for value in values] == ["= 1.00", "= 0.18", "= 0.042", "= 0.0004", "< 0.0001"]
