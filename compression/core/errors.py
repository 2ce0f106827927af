"""The one error type that means "the input is wrong", told to the user in one line."""


class InputError(ValueError):
    """A bad value, file or image; the message names it and what is allowed."""


class ArtifactError(InputError):
    """A model file that cannot be read: not ours, truncated, damaged or inconsistent."""
