"""Decoding of image files to uint8 pixels, the same in training, evaluation and prediction."""

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from compression.core.errors import InputError
from compression.core.preparation import Preparation
from compression.data.image_facts import Facts, read_facts
from compression.data.image_formats import FORMATS, list_extensions

# Part of the cache key of decoded images. Increase it when a change of this file changes the decoded pixels.
DECODE_VERSION = 3

RGB_CENTRE = Preparation()

# Errors that Pillow's decoders raise for damaged files.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class DamagedImageError(Exception):
    """Image content that cannot be decoded. The message is the reason, without a file name."""


class UnscaledImageError(DamagedImageError):
    """An image of floats or 32-bit integers, and no range that says which values are black and white.

    ``kind`` is "floats" or "integers". ``low`` and ``high`` are the smallest and the largest value of the image.
    """

    def __init__(self, kind: str, low: float, high: float) -> None:
        super().__init__(f"it holds {kind} from {low:g} to {high:g}, and no data.value_range says how to scale them")
        self.kind, self.low, self.high = kind, low, high


def decode_image(content: bytes, *, image_size: int, preparation: Preparation = RGB_CENTRE) -> np.ndarray:
    """Return an image as square pixels, uint8 ``[C, image_size, image_size]``, prepared as ``preparation`` says.

    Resizing is bilinear and antialiased. The camera's orientation tag is applied. A JPEG that is much larger than
    needed is first decoded at 1/2, 1/4 or 1/8 of its size. Of several pictures in one file, the first counts. Raises
    ``DamagedImageError`` for content that cannot be decoded, and its subclass ``UnscaledImageError`` for values without
    a known range.
    """
    return decode_with_facts(content, image_size=image_size, preparation=preparation)[0]


def decode_with_facts(
    content: bytes, *, image_size: int, preparation: Preparation = RGB_CENTRE
) -> tuple[np.ndarray, Facts]:
    """Return what ``decode_image`` does, and a row of ``FACTS`` about the original."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            facts = read_facts(image)
            return _to_array(image, image_size, preparation), facts
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedImageError("cannot identify image" if "BytesIO" in reason else reason) from error


def _to_array(image: Image.Image, size: int, preparation: Preparation) -> np.ndarray:
    if image.format == "JPEG":
        # Keep at least twice the final size, so that the resize below still averages pixels.
        longest = max(image.size)
        needed = [2 * size * side // longest + 1 if preparation.fit == "pad" else 2 * size for side in image.size]
        image.draft("RGB", (needed[0], needed[1]))
    # Pillow opens 16-bit files of these formats in its mode for 32 bits.
    sixteen_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    image = ImageOps.exif_transpose(image)
    image = _fit(_to_colours(image, preparation, sixteen_bits=sixteen_bits), size, preparation)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _to_colours(image: Image.Image, preparation: Preparation, *, sixteen_bits: bool) -> Image.Image:
    mode = "L" if preparation.channels == 1 else "RGB"
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_scale_levels(np.asarray(image), preparation, sixteen_bits=sixteen_bits))
    if preparation.background is not None and image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*preparation.background, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    if mode == "L" and image.mode not in ("1", "L", "LA", "RGB", "RGBA"):
        # Pillow converts some modes, such as LAB, to colours only.
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _scale_levels(values: np.ndarray, preparation: Preparation, *, sixteen_bits: bool) -> np.ndarray:
    """Return ``values`` as uint8 levels from 0 (black) to 255 (white)."""
    if preparation.value_range is not None:
        low, high = preparation.value_range
        finite = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
        return np.rint(np.clip((finite - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    if sixteen_bits:
        # Pillow would clip 16-bit levels to 255, which turns most of the image white.
        return np.clip(values.astype(np.int64) // 257, 0, 255).astype(np.uint8)
    floats = values.dtype.kind == "f"
    found = values[np.isfinite(values)] if floats else values
    low, high = (float(found.min()), float(found.max())) if found.size else (np.nan, np.nan)
    raise UnscaledImageError("floats" if floats else "integers", low, high)


def _fit(image: Image.Image, size: int, preparation: Preparation) -> Image.Image:
    """Return ``image`` as a square of ``size`` pixels."""
    width, height = image.size
    if preparation.fit == "crop" and width != height:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if preparation.fit == "pad" and width != height:
        left, top, *inner = place_padded(width, height, size=size)
        ground = Image.new("RGB", (size, size), preparation.background or (0, 0, 0)).convert(image.mode)
        ground.paste(_resize(image, (inner[0], inner[1])), (left, top))
        return ground
    return _resize(image, (size, size))


def place_padded(width: int, height: int, *, size: int) -> tuple[int, int, int, int]:
    """Return (left, top, width, height) in pixels of a padded image inside its square of ``size`` pixels."""
    longest = max(width, height)
    inner = (max(1, round(width * size / longest)), max(1, round(height * size / longest)))
    return (size - inner[0]) // 2, (size - inner[1]) // 2, *inner


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)


def read_image(path: Path | str, *, image_size: int, preparation: Preparation = RGB_CENTRE) -> Tensor:
    """Return the pixels of one image file, uint8 ``[C, image_size, image_size]``, as ``decode_image`` does.

    Raises ``InputError`` naming the file if it cannot be read or decoded.
    """
    content = read_file(path)
    try:
        return torch.from_numpy(decode_image(content, image_size=image_size, preparation=preparation).copy())
    except UnscaledImageError as error:
        raise InputError(f"{path}: {error}") from error
    except DamagedImageError as error:
        allowed = f"allowed is an image file ({list_extensions()})"
        raise InputError(f"{path}: not a readable image ({error}); {allowed}") from error


def refuse_unscaled(root: Path | str, found: Mapping[str, UnscaledImageError]) -> None:
    """Raise ``InputError`` with the number of images of unknown range, the range and a name, if there are any.

    ``found`` maps names of files under ``root`` to their errors.
    """
    if found:
        kinds = " and ".join(sorted({one.kind for one in found.values()}))
        low, high = min(one.low for one in found.values()), max(one.high for one in found.values())
        count = f"{len(found)} image{'s hold' if len(found) > 1 else ' holds'} {kinds}"
        raise InputError(
            f"data.root={root}: {count} from {low:g} to {high:g} (first {min(found)}); "
            "allowed is data.value_range=[low, high], the values that become black and white"
        )


def read_file(path: Path | str) -> bytes:
    """Return the content of a file in bytes. Raises ``InputError`` naming the file if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
