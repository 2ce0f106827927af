import pytest

from compression.core.errors import InputError
from compression.core.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("123", 123),
        ("5 B", 5),
        ("300KiB", 307_200),
        ("1.5GiB", 1_610_612_736),
        ("2 tib", 2_199_023_255_552),
        ("1.5 MB", 1_500_000),
    ],
)
def test_valid_sizes_are_parsed(text, count):
    assert parse_size(text, key="x") == count


@pytest.mark.parametrize("text", ["", "5 Kib/s", "-1", "1e3", "GiB", "1..5MiB", "nan", "five"])
def test_invalid_sizes_are_refused(text):
    with pytest.raises(InputError, match=r"x=.*: must be a size such as 300KiB"):
        parse_size(text, key="x")


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, f"{'9' * 400}.5 GiB", "1048577TiB"])
def test_sizes_above_one_eib_are_refused(text):
    with pytest.raises(InputError, match=r"^x=.{10,40}: is more than any disk has; must be a size such as 300KiB"):
        parse_size(text, key="x")
    assert parse_size("1048576TiB", key="x") == 2**60


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**20, "1.00 MiB"), (5 * 2**30, "5.00 GiB")],
)
def test_sizes_are_formatted(count, text):
    assert format_size(count) == text
