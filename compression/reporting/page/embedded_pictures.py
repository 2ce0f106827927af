"""Pictures of a folder as data URIs, made small."""

import base64
import io
from pathlib import Path

from compression.reporting.page.page_blocks import Picture

# Drawings have few colours; photographs have many.
_COLOURS, _QUALITY = 96, 80
# Pixels of a picture for one CSS pixel: pictures are drawn with 120 dots per inch, and a CSS inch has 96 pixels.
_DENSITY = 1.25
PHOTOGRAPHS = ("misclassified_examples", "flipped_examples", "first_filters")


def embed_picture(path: Path, *, title: str, description: str) -> Picture | None:
    """Return the PNG file at ``path`` as a part of the page; None if there is no such file, or no picture in it."""
    # Imported late: only a page with pictures needs it.
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None
    stream = io.BytesIO()
    if path.stem in PHOTOGRAPHS:
        image.save(stream, format="WEBP", quality=_QUALITY, method=4)
        kind = "webp"
    else:
        image.quantize(_COLOURS, dither=Image.Dither.NONE).save(stream, format="PNG", optimize=True)
        kind = "png"
    uri = f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
    width, height = (round(side / _DENSITY) for side in image.size)
    return Picture(title, description, uri, width, height)


def embed_pictures(folder: Path, named: dict[str, tuple[str, str]]) -> list[Picture]:
    """Return the pictures of ``folder`` that exist. ``named`` has a title and a description by name of file."""
    found = (
        embed_picture(folder / f"{name}.png", title=title, description=description)
        for name, (title, description) in named.items()
    )
    return [picture for picture in found if picture is not None]
