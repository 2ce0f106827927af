"""Image formats: the file names that count as images, the decoders that may open them, and names that only look so."""

from importlib.util import find_spec

# Pillow decodes AVIF since version 11.3, where its build has the library.
_AVIF = find_spec("PIL._avif") is not None

EXTENSIONS: tuple[str, ...] = (
    *(".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif", ".jfif"),
    *((".avif",) if _AVIF else ()),
)

# Pillow chooses a decoder by content, not by name. Others than these are not tried: an EPS file would start a program.
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "BMP", "PPM", "GIF", "WEBP", "TIFF", *(("AVIF",) if _AVIF else ()))

# Files of these names are pictures too, but are not read. They are counted, so that nobody misses them.
UNREAD_EXTENSIONS: tuple[str, ...] = (
    *(".apng", ".arw", ".avif", ".cr2", ".dcm", ".dds", ".dib", ".dng", ".eps", ".exr", ".hdr", ".heic", ".heif"),
    *(".ico", ".j2k", ".jp2", ".jpe", ".jpf", ".jpx", ".jxl", ".nef", ".nii", ".pam", ".pbm", ".pcx", ".pnm"),
    *(".psd", ".raw", ".rgb", ".sgi", ".svg", ".tga", ".xbm", ".xcf", ".xpm"),
)


def is_image(name: str) -> bool:
    """Return whether a file of this name is read as an image."""
    return name.lower().endswith(EXTENSIONS)


def find_extension(name: str) -> str:
    """Return the lower-case extension of a file name without its dot; "" for a name without one."""
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name.rpartition("/")[2] else ""


def list_extensions() -> str:
    """Return the file extensions that count as images, separated by spaces, for a message."""
    return " ".join(EXTENSIONS)
