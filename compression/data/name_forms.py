"""Names that look alike: other Unicode forms, upper and lower case, spaces at the end."""

import unicodedata
from collections.abc import Iterable


def find_lookalike(name: str, others: Iterable[str]) -> str | None:
    """Return the first of ``others`` that differs from ``name`` but looks like it, or None."""
    return next((other for other in others if other != name and _simplify(other) == _simplify(name)), None)


def explain_lookalike(one: str, other: str) -> str:
    r"""Return how two names that look alike differ, such as ``"caf\\xe9" (NFC) and "cafe\\u0301" (NFD)``."""
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return f"{_spell(one)} and {_spell(other)} are one name in two Unicode forms"
    return f'"{one}" and "{other}" differ only in upper and lower case or spaces'


def _simplify(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _spell(name: str) -> str:
    form = next((form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, name)), "mixed")
    return f'"{name.encode("unicode_escape").decode()}" ({form})'
