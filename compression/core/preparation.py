"""How an image file becomes the input of a network: channels, format, ground and range of values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# Levels of red, green and blue, 0 to 255.
Colour = tuple[int, int, int]
Fit = Literal["crop", "pad", "stretch"]
FITS: tuple[Fit, ...] = ("crop", "pad", "stretch")
COLOUR_NAMES = {1: "grey", 3: "RGB"}
COLOURS: Mapping[str, Colour] = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}
FIT_WORDS: dict[Fit, str] = {"crop": "centre square", "pad": "padded", "stretch": "stretched"}


@dataclass(frozen=True)
class Preparation:
    """The way from an image file to square pixels. Training, prediction and exported files use the same one.

    - ``channels``: 3 for red, green and blue; 1 for grey (ITU-R 601 luma).
    - ``fit``: what happens to an image that is not square. ``crop`` keeps the centre square, ``pad`` keeps the complete
      image on a ground, ``stretch`` changes its format.
    - ``background``: the levels (0 to 255) of red, green and blue behind transparent pixels and beside a padded image.
      None drops the transparency and pads with black.
    - ``value_range``: the values of float, 32-bit and 16-bit images that become black and white; None refuses floats
      and 32-bit integers, and scales 16 bits from 0 to 65535.
    """

    channels: int = 3
    fit: Fit = "crop"
    background: Colour | None = None
    value_range: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {
            "channels": self.channels,
            "fit": self.fit,
            "background": None if self.background is None else list(self.background),
            "value_range": None if self.value_range is None else list(self.value_range),
        }

    def describe_fit(self) -> str:
        """Return in words what happens to an image that is not square."""
        if self.fit != "pad":
            return FIT_WORDS[self.fit]
        ground = self.background or COLOURS["black"]
        named = (name for name, colour in COLOURS.items() if colour == ground)
        return f"{FIT_WORDS[self.fit]} on {next(named, ' '.join(map(str, ground)))}"
