"""Counts with their noun, and lists cut to their first items."""

from compression.core.text import count_noun, percent, shorten, write_amount


def test_a_count_has_its_noun():
    assert [count_noun(num, "image") for num in (0, 1, 1200)] == ["0 images", "1 image", "1,200 images"]


def test_a_list_is_cut_to_its_first_items():
    names = [f"c{number}" for number in range(2000)]
    assert shorten(names[:2], limit=2) == "c0, c1"
    assert shorten(names[:3], limit=2) == "c0, c1 and 1 more"
    assert shorten(names, limit=1) == "c0 and 1,999 more"
    assert shorten(names[:3], limit=2, separator="; ") == "c0; c1 and 1 more"
    assert shorten([]) == ""


def test_percent():
    assert [percent(0.899), percent(None), percent(1, unit=""), percent(None, unknown="")] == [
        "89.90 %",
        "-",
        "100.00",
        "",
    ]


def test_amounts_below_a_tenth_keep_two_digits():
    assert [write_amount(value) for value in (0, 0.0042, 0.0999, 0.1, 1234.567)] == [
        "0.00",
        "0.0042",
        "0.1",
        "0.10",
        "1,234.57",
    ]
