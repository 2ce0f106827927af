"""The width of a small dense network, worked out by hand."""

import math

import pytest

from compression.sweep.baselines.width_search import choose_width, list_widths, settle_width

# Made-up bytes by width.
FILES = {0.25: 100, 0.5: 400, 0.75: 900, 1.0: 1600}
WIDTHS = list(FILES)


@pytest.mark.parametrize(
    ("target", "width"),
    [
        (400, 0.5),
        # By ratio, sqrt(400 * 900) = 600 is equally near to both; the smaller file wins.
        (600, 0.5),
        (601, 0.75),
        (1199, 0.75),
        (1201, 1.0),
        # A file larger than the full-width network in 8 bits gets the full width.
        (5000, 1.0),
        # The narrowest may be at most a tenth too large.
        (91, 0.25),
        (90, None),
    ],
)
def test_the_nearest_file(target, width):
    assert choose_width(target, widths=WIDTHS, measure=FILES.get) == width


def test_widths_that_a_network_cannot_have_are_left_out():
    files = {**FILES, 0.25: None}
    assert choose_width(300, widths=WIDTHS, measure=files.get) is None
    assert choose_width(399, widths=WIDTHS, measure=files.get) == 0.5
    assert choose_width(399, widths=WIDTHS, measure=lambda _: None) is None


def test_few_files_are_measured():
    measured = set()

    def measure(width):
        measured.add(width)
        return round(1e6 * width**2)

    widths = list_widths(1.0)
    width = choose_width(250_000, widths=widths, measure=measure)
    assert width == pytest.approx(0.5, rel=0.03)
    assert len(measured) <= math.ceil(math.log2(len(widths))) + 2


def test_the_list_of_widths():
    widths = list_widths(1.0)
    assert widths[-4:] == [0.857, 0.902, 0.95, 1.0]
    assert 0.05 <= widths[0] < 0.0527
    assert widths == sorted(widths)
    assert list_widths(0.25)[-2:] == [0.237, 0.25]


def test_equal_networks_share_one_width():
    count = {0.2: 8, 0.25: 8, 0.3: 16, 0.35: 16, 0.4: 24, 0.45: 24}.get
    widths = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45]
    assert [settle_width(width, widths=widths, count=count) for width in widths] == [0.2, 0.2, 0.3, 0.3, 0.45, 0.45]
