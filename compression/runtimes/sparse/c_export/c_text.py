"""Values as C text: numbers, arrays and strings. Only what is written here brings values of a file into C."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# Characters that mean themselves in a C string. A question mark may begin a trigraph.
_PLAIN = frozenset(map(chr, range(0x20, 0x7F))) - set('"\\?')
# What the C standard promises for one string.
LONGEST_STRING = 4095
_LINE = 110
_TYPES = {"f8": "double", "f4": "float", "i4": "int32_t", "i2": "int16_t", "u1": "uint8_t"}


def quote(text: str) -> str:
    """Return ``text`` in UTF-8 as a C string; what is not plain ASCII becomes octal escapes of three digits."""
    return '"' + "".join(chr(byte) if chr(byte) in _PLAIN else f"\\{byte:03o}" for byte in _encode(text)) + '"'


def count_bytes(text: str) -> int:
    """Return the bytes of ``text`` in UTF-8."""
    return len(_encode(text))


def _encode(text: str) -> bytes:
    # Half of a surrogate pair has no UTF-8; it is written as if it had.
    return text.encode("utf-8", "surrogatepass")


def format_float(value: float) -> str:
    """Return ``value``, a number of float32, as C text that gives exactly this number."""
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    assert value == np.float32(value), value
    return "0.0f" if value == 0 and not np.signbit(value) else f"{_shorten(float(value).hex())}f"


def format_double(value: float) -> str:
    """Return ``value``, which must be finite, as C text that gives exactly this number."""
    assert np.isfinite(value), value
    return "0.0" if value == 0 and not np.signbit(value) else _shorten(float(value).hex())


def _shorten(text: str) -> str:
    mantissa, exponent = text.split("p")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{exponent}"


def type_name(values: NDArray[np.generic]) -> str:
    """Return the C type of the elements of ``values``."""
    return _TYPES[values.dtype.str[1:]]


def format_values(values: NDArray[np.generic]) -> str:
    """Return the elements of ``values: [N]`` as lines of a C initialiser."""
    convert = {"f8": format_double, "f4": format_float}.get(values.dtype.str[1:], str)
    return wrap(convert(value) for value in values.tolist())


def wrap(words: Iterable[str]) -> str:
    """Return ``words`` with commas between them, in lines of at most 110 characters."""
    lines: list[str] = []
    line = ""
    for word in words:
        if line and len(line) + len(word) + 2 > _LINE:
            lines.append(line)
            line = ""
        line += f", {word}" if line else word
    lines.append(line)
    return ",\n".join(lines)
