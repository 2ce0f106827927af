import pytest

from compression.core.errors import ArtifactError, InputError, first_line, printable


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("plain, ü and 漢", "plain, ü and 漢"),
        ("two\nlines", "two lines"),
        ("\x1b[2J cleared", "\\x1b[2J cleared"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_a_message_is_one_printable_line(message, shown):
    for kind in (InputError, ArtifactError):
        assert str(kind(message)) == shown
        shown.encode()


def test_printable_drops_no_character():
    assert printable("a\tb\u200d\0") == "a\\tb\\u200d\\x00"


def test_first_line_of_errors_with_an_empty_message():
    assert first_line(RuntimeError("one\ntwo")) == "one"
    assert first_line(AssertionError()) == "AssertionError"
