"""Decoding of image files to uint8 pixels, the same in training, evaluation and prediction."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from compression.core.errors import InputError
from compression.data.image_facts import Facts, read_facts
from compression.data.image_formats import FORMATS, list_extensions

# Part of the cache key of decoded images. Increase it when a change of this file changes the decoded pixels.
DECODE_VERSION = 1

# Errors that Pillow's decoders raise for damaged files.
_DAMAGE = (
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


def decode_image(content: bytes, *, image_size: int) -> np.ndarray:
    """Return the centre square of an image as RGB pixels, uint8 ``[3, image_size, image_size]``.

    Resizing is bilinear and antialiased. The camera's orientation tag is applied, transparency is dropped, and 16-bit
    grey is scaled to 8 bits. A JPEG that is much larger than needed is first decoded at 1/2, 1/4 or 1/8 of its size.
    Of several pictures in one file, the first counts. Raises ``DamagedImageError`` for content that cannot be decoded.
    """
    return decode_with_facts(content, image_size=image_size)[0]


def decode_with_facts(content: bytes, *, image_size: int) -> tuple[np.ndarray, Facts]:
    """Return what ``decode_image`` does, and a row of ``FACTS`` about the original."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            facts = read_facts(image)
            return _to_array(image, image_size), facts
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedImageError("cannot identify image" if "BytesIO" in reason else reason) from error


def _to_array(image: Image.Image, size: int) -> np.ndarray:
    if image.format == "JPEG":
        # Keep at least twice the final size, so that the resize below still averages pixels.
        image.draft("RGB", (2 * size, 2 * size))
    image = _to_rgb(ImageOps.exif_transpose(image))
    width, height = image.size
    side = min(width, height)
    if width != height:
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit levels to 255, which turns most of the image white.
        grey = np.clip(np.asarray(image).astype(np.int64) // 257, 0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        return image.convert("L").convert("RGB")
    if image.mode in ("P", "PA"):
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def read_image(path: Path | str, *, image_size: int) -> Tensor:
    """Return the pixels of one image file, uint8 ``[3, image_size, image_size]``, as ``decode_image`` does.

    Raises ``InputError`` naming the file if it cannot be read or decoded.
    """
    content = read_file(path)
    try:
        return torch.from_numpy(decode_image(content, image_size=image_size).copy())
    except DamagedImageError as error:
        allowed = f"allowed is an image file ({list_extensions()})"
        raise InputError(f"{path}: not a readable image ({error}); {allowed}") from error


def read_file(path: Path | str) -> bytes:
    """Return the content of a file in bytes. Raises ``InputError`` naming the file if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
