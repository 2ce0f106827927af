import pytest

from compression.sweep.report.axis_values import make_plain, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-05),
        ("1e-4", 0.0001),
        ("0.001", 0.001),
        ("8", 8),
        ("true", True),
        ("null", None),
        ("nan", "nan"),
        ("[1,2]", "[1, 2]"),
        ("iterative_l1", "iterative_l1"),
    ],
)
def test_values_of_the_command_line(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize(("value", "plain"), [(10**400, "1" + 400 * "0"), ([1, 2], "[1, 2]"), (True, True), (0.5, 0.5)])
def test_values_that_can_be_written_and_drawn(value, plain):
    assert make_plain(value) == plain
