"""Facts of image files that their pixels no longer show after resizing: size, format, mode, number of values."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

# One row per file; zero for a damaged one. Width and height in pixels, as a viewer shows the image. ``colours`` is 1 or
# 2 for a picture of one or two values, stored without loss, and 0 for any other.
FACTS = np.dtype([("width", "<i4"), ("height", "<i4"), ("format", "S8"), ("mode", "S8"), ("colours", "u1")])

# Modes whose values Pillow can count. JPEG is left out: its noise gives a picture of two values many more.
_COUNTABLE = ("1", "L", "P", "RGB", "RGBA", "LA")
_TURNED = (5, 6, 7, 8)

Facts = tuple[int, int, str, str, int]


def read_facts(image: Image.Image) -> Facts:
    """Return the row of ``FACTS`` of an image that is open and not changed yet."""
    width, height = image.size
    format_, mode = image.format or "", image.mode
    if image.getexif().get(Base.Orientation) in _TURNED:
        width, height = height, width
    colours = 0
    if format_ not in ("JPEG", "MPO") and mode in _COUNTABLE:
        found = image.getcolors(2)
        colours = len(found) if found else 0
    return width, height, format_, mode, colours


def find_aspects(facts: NDArray[np.void]) -> NDArray[np.float64]:
    """Return width divided by height of every image that could be read, ``[M]``."""
    read = facts[facts["height"] > 0]
    aspects: NDArray[np.float64] = read["width"] / read["height"]
    return aspects


def describe_aspects(facts: NDArray[np.void]) -> str:
    """Return the range of width to height, such as ``1:2.7 to 1.5:1``, ``all 1.5:1``, or ``square``."""
    aspects = find_aspects(facts)
    if not len(aspects):
        return ""
    low, high = (write_aspect(float(value)) for value in (aspects.min(), aspects.max()))
    if low == high:
        return "square" if low == "1:1" else f"all {low}"
    return f"{low} to {high}"


def write_aspect(aspect: float) -> str:
    """Return e.g. ``1.5:1`` for 1.5, ``1:2`` for 0.5."""
    return f"{_trim(aspect)}:1" if aspect >= 1 else f"1:{_trim(1 / aspect)}"


def _trim(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def count_kinds(facts: NDArray[np.void], name: str) -> Counter[str]:
    """Return how many images have each value of the column ``name``, format or mode."""
    values, counts = np.unique(facts[name][facts["height"] > 0], return_counts=True)
    return Counter({value.decode(): int(count) for value, count in zip(values, counts, strict=True)})
