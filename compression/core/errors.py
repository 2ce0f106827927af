"""The error type for wrong input. The user sees its message as one line, without a traceback."""


class InputError(ValueError):
    """A bad value, file or image. The message names it and what is allowed, in one line that any terminal can show."""

    def __init__(self, message: object = "") -> None:
        # Texts from files of unknown origin may hold newlines, escape codes or single halves of surrogate pairs.
        super().__init__(printable(" ".join(str(message).splitlines())))


class ArtifactError(InputError):
    """A model file that cannot be read: of another format, truncated, damaged or inconsistent."""


def printable(text: str) -> str:
    r"""Return ``text`` with unprintable characters as escapes, such as ``\n`` for a newline."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii", "backslashreplace")
        for char in text
    )


def first_line(error: BaseException) -> str:
    """Return the first line of the message of ``error``, or the name of its type if the message is empty."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
