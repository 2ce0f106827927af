import pytest

from compression.data.name_forms import explain_lookalike, find_lookalike

NFC, NFD = "caf\xe9", "cafe\u0301"


@pytest.mark.parametrize(
    ("name", "others", "found"),
    [
        ("cat", ["cat", "dog"], None),
        ("cat", ["dog", "Cat"], "Cat"),
        ("cat", ["cat "], "cat "),
        (NFC, [NFC, NFD], NFD),
        (NFD, [NFC], NFC),
        ("cafe", [NFC], None),
    ],
)
def test_lookalikes(name, others, found):
    assert find_lookalike(name, others) == found


def test_the_difference_is_spelled_out():
    assert explain_lookalike(NFC, NFD) == (r'"caf\xe9" (NFC) and "cafe\u0301" (NFD) are one name in two Unicode forms')
    assert explain_lookalike("Cat", "cat") == '"Cat" and "cat" differ only in upper and lower case or spaces'
