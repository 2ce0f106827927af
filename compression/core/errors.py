"""The one error type that means "the input is wrong", told to the user in one line."""


class InputError(ValueError):
    """A bad value, file or image; the message names it and what is allowed, in one line that any terminal can show."""

    def __init__(self, message: object = "") -> None:
        # Names and texts come from files of strangers: newlines, escape codes, halves of surrogate pairs.
        super().__init__(printable(" ".join(str(message).splitlines())))


class ArtifactError(InputError):
    """A model file that cannot be read: not ours, truncated, damaged or inconsistent."""


def printable(text: str) -> str:
    """Return ``text`` with what cannot be shown as it is written out, such as a newline as backslash and n."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii", "backslashreplace")
        for char in text
    )


def first_line(error: BaseException) -> str:
    """Return the first line of what ``error`` says, or its type where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
