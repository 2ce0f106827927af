import pytest

from compression.core.preparation import FITS, Preparation


def test_the_default_is_a_square_of_three_channels():
    expected = {"channels": 3, "fit": "crop", "background": None, "value_range": None}
    assert Preparation().to_json() == expected


@pytest.mark.parametrize(
    ("preparation", "words"),
    [
        (Preparation(), "centre square"),
        (Preparation(fit="pad"), "padded on black"),
        (Preparation(fit="pad", background=(255, 128, 0)), "padded on 255 128 0"),
        (Preparation(fit="stretch"), "stretched"),
    ],
)
def test_a_fit_is_described_in_words(preparation, words):
    assert preparation.describe_fit() == words


def test_every_fit_has_its_own_words():
    assert len({Preparation(fit=fit).describe_fit() for fit in FITS}) == len(FITS)
