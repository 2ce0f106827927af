"""The first bytes of image files: sizes and transparency, known without decoding a pixel."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from compression.data.decode import DAMAGE
from compression.data.image_formats import FORMATS

# Some 60 microseconds each. Every run of a folder reads them, because the choice of `fit` is part of its identity.
MOST = 1000


@dataclass(frozen=True)
class Headers:
    """What a sample of headers says: the mean of longer by shorter side, and whether any image may be transparent."""

    mean_aspect: float
    transparent: bool


def read_headers(root: Path | str, names: Sequence[str], *, most: int = MOST) -> Headers:
    """Return what the headers of at most ``most`` of the files ``names`` say, spread evenly over the list.

    Files that cannot be read are left out. Without a readable file, the images count as square and opaque.
    """
    count = min(most, len(names))
    aspects, transparent = [], False
    for index in range(count):
        path = f"{root}/{names[index * len(names) // count]}"
        with contextlib.suppress(*DAMAGE), Image.open(path, formats=FORMATS) as image:
            aspects.append(max(image.size) / min(image.size))
            transparent |= image.has_transparency_data
    return Headers(sum(aspects) / len(aspects) if aspects else 1.0, transparent)
