"""From an image file to uint8 pixels: the one way, used in training, evaluation and prediction alike."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from compression.core.errors import InputError

EXTENSIONS: tuple[str, ...] = IMG_EXTENSIONS

# Raised in cached results' place when this file changes what pixels come out.
DECODE_VERSION = 1

# What Pillow's decoders raise for damaged files.
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
    """Bytes that cannot be decoded; the message is the reason, without a file name."""


def decode_image(content: bytes, *, image_size: int) -> np.ndarray:
    """Return uint8 [3, image_size, image_size]: the centre square, resized (bilinear, antialiased), as RGB.

    The camera's orientation tag is honoured, transparency dropped, 16-bit grey scaled to 8. A JPEG far
    larger than needed is decoded at a half, quarter or eighth of its size first. Raises
    DamagedImageError.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return _to_array(image, image_size)
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedImageError("cannot identify image" if "BytesIO" in reason else reason) from error


def _to_array(image: Image.Image, size: int) -> np.ndarray:
    if image.format == "JPEG":
        # Twice the size wanted is left, so that the resize below still averages.
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
        # Pillow would clip 16-bit levels to 255, which makes most of such an image white.
        grey = np.clip(np.asarray(image).astype(np.int64) // 257, 0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        return image.convert("L").convert("RGB")
    if image.mode in ("P", "PA"):
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def read_image(path: Path | str, *, image_size: int) -> Tensor:
    """Decode one file to uint8 [3, image_size, image_size]; raise InputError naming one that is no image."""
    content = read_file(path)
    try:
        return torch.from_numpy(decode_image(content, image_size=image_size).copy())
    except DamagedImageError as error:
        allowed = f"allowed is an image file ({list_extensions()})"
        raise InputError(f"{path}: not a readable image ({error}); {allowed}") from error


def read_file(path: Path | str) -> bytes:
    """Return the content of a file; raise InputError when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def list_extensions() -> str:
    """Return the extensions of the image files we look at, for a message."""
    return " ".join(EXTENSIONS)
