import pytest

from compression.sweep.report.points_lost import describe_loss, write_loss


@pytest.mark.parametrize(
    ("points", "words", "cell"),
    [
        (2.0, "2.00 points lost", "+2.00"),
        (-0.333, "0.33 points gained", "-0.33"),
        (0.0, "0.00 points lost", "0.00"),
        (-0.001, "0.00 points lost", "0.00"),
    ],
)
def test_a_loss_is_positive(points, words, cell):
    assert (describe_loss(points), write_loss(points)) == (words, cell)
