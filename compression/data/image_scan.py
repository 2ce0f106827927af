"""One pass over all image files: sums, facts, thumbnails, damaged files and, if wanted, pixels, cached on disk."""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL
from msgspec import Struct

from compression.core.json_record import convert_record
from compression.core.preparation import Preparation
from compression.data.decode import (
    DECODE_VERSION,
    RGB_CENTRE,
    DamagedImageError,
    UnscaledImageError,
    decode_with_facts,
    place_padded,
    refuse_unscaled,
)
from compression.data.hashing import describe_read_error, map_chunks
from compression.data.image_facts import FACTS
from compression.data.normalization import sum_pixels
from compression.data.thumbnails import SIDE, make_thumbnails

log = logging.getLogger(__name__)

_STALE_SECONDS = 24 * 3600
# Arrays of every pass; with pixels, the cache also has `images`.
_ARRAYS = ("pixel_sums", "facts", "thumbnails")

# Channels, height and width of a decoded image.
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Decoded:
    """Result of a pass over N image files.

    ``pixel_sums`` are int64 ``[N, C, 2]`` from ``sum_pixels``. ``images`` are uint8 ``[N, C, H, W]``, or None if pixels
    are not kept. ``facts`` are rows of ``FACTS``, ``thumbnails`` those of ``make_thumbnails``, uint8 ``[N, 16, 16]``.
    Rows of damaged files are zero. ``damaged`` maps a file's index to the reason.
    """

    pixel_sums: np.ndarray
    images: np.ndarray | None
    damaged: Mapping[int, str]
    facts: np.ndarray
    thumbnails: np.ndarray


class _Record(Struct):
    sha256: dict[str, str]
    damaged: dict[int, str]


def decode_files(
    root: Path,
    names: Sequence[str],
    *,
    image_size: int,
    keep: bool,
    fingerprint: str,
    cache_dir: Path | None = None,
    preparation: Preparation = RGB_CENTRE,
) -> Decoded:
    """Decode all files with several threads, or read the result of an earlier pass from ``cache_dir``.

    ``keep=True`` also returns the pixels. ``fingerprint`` is the hash of the files' content; it identifies the cache. A
    missing, truncated or altered cache is rebuilt. Raises ``InputError`` if the range of some images is unknown.
    """
    shape = (preparation.channels, image_size, image_size)
    if cache_dir is None:
        images = np.empty((len(names), *shape), np.uint8) if keep else None
        return _decode(root, names, shape, images, preparation)
    how = json.dumps(preparation.to_json(), sort_keys=True)
    identity = f"{fingerprint}/{image_size}/{how}/{DECODE_VERSION}/{PIL.__version__}"
    folder = cache_dir / hashlib.sha256(identity.encode()).hexdigest()[:32]
    cached = _read_cache(folder, keep=keep)
    if cached is None:
        return _write_cache(folder, root, names, shape, keep, preparation)
    return cached


def _decode(
    root: Path, names: Sequence[str], shape: Shape, images: np.ndarray | None, preparation: Preparation
) -> Decoded:
    log.info("decoding %d images of %s", len(names), root)
    pixel_sums = np.zeros((len(names), shape[0], 2), np.int64)
    facts = np.zeros(len(names), FACTS)
    thumbnails = np.zeros((len(names), SIDE, SIDE), np.uint8)
    unscaled: dict[str, UnscaledImageError] = {}

    def decode_chunk(start: int, stop: int) -> dict[int, str]:
        damaged = {}
        block = np.zeros((stop - start, *shape), np.uint8)
        for row, name in enumerate(names[start:stop]):
            try:
                content = Path(f"{root}/{name}").read_bytes()
                block[row], facts[start + row] = decode_with_facts(
                    content, image_size=shape[1], preparation=preparation
                )
            except UnscaledImageError as error:
                unscaled[name] = error
            except DamagedImageError as error:
                damaged[start + row] = str(error)
            except OSError as error:
                damaged[start + row] = describe_read_error(error)
        pixel_sums[start:stop] = sum_pixels(block)
        # Two padded images would look alike for their ground alone.
        padded = preparation.fit == "pad"
        thumbnails[start:stop] = _cut_thumbnails(block, facts[start:stop]) if padded else make_thumbnails(block)
        if images is not None:
            images[start:stop] = block
        return damaged

    found = map_chunks(decode_chunk, len(names), chunk=32)
    refuse_unscaled(root, unscaled)
    damaged = {i: reason for part in found for i, reason in part.items()}
    return Decoded(pixel_sums, images, damaged, facts, thumbnails)


def _cut_thumbnails(images: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """Return the thumbnails of padded images without their ground, uint8 ``[N, 16, 16]``; zero for damaged ones."""
    thumbnails = np.zeros((len(images), SIDE, SIDE), np.uint8)
    for row in np.flatnonzero(facts["height"]):
        width, height = int(facts["width"][row]), int(facts["height"][row])
        left, top, inner_width, inner_height = place_padded(width, height, size=images.shape[-1])
        inner = images[row, :, top : top + inner_height, left : left + inner_width]
        thumbnails[row] = make_thumbnails(inner[None])[0]
    return thumbnails


def _read_cache(folder: Path, *, keep: bool) -> Decoded | None:
    try:
        record = convert_record(json.loads((folder / "record.json").read_text()), _Record)
        if any(_hash_file(folder / name) != checksum for name, checksum in record.sha256.items()):
            return None
        # An earlier version kept neither facts nor thumbnails.
        wanted = {f"{name}.npy" for name in (*_ARRAYS, *(["images"] if keep else []))}
        if not wanted <= record.sha256.keys():
            return None
        images = _map_images(folder) if keep else None
        pixel_sums, facts, thumbnails = (np.load(folder / f"{name}.npy") for name in _ARRAYS)
        return Decoded(pixel_sums, images, record.damaged, facts, thumbnails)
    except (OSError, ValueError, RecursionError):
        return None


def _write_cache(
    folder: Path, root: Path, names: Sequence[str], shape: Shape, keep: bool, preparation: Preparation
) -> Decoded:
    """Decode all files into ``folder``, and return the result.

    Another process may write the same arrays at the same time. Its record may lack the images, so it is not read here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder)
    with tempfile.TemporaryDirectory(prefix="tmp-", dir=folder) as temporary:
        scratch = Path(temporary)
        images = None
        if keep:
            images = np.lib.format.open_memmap(
                scratch / "images.npy", mode="w+", dtype=np.uint8, shape=(len(names), *shape)
            )
            _claim(scratch / "images.npy")
        decoded = _decode(root, names, shape, images, preparation)
        if images is not None:
            images.flush()
        for name in _ARRAYS:
            np.save(scratch / f"{name}.npy", getattr(decoded, name))
        arrays = sorted(scratch.glob("*.npy"))
        record = {
            "sha256": {path.name: _hash_file(path) for path in arrays},
            "damaged": {str(index): reason for index, reason in decoded.damaged.items()},
        }
        (scratch / "record.json").write_text(json.dumps(record, indent=1))
        # A record without the images must not replace one with them that another process has left meanwhile.
        if keep or _read_cache(folder, keep=True) is None:
            # Move the record last: without it, or with an older one, the arrays are not used.
            for path in [*arrays, scratch / "record.json"]:
                os.replace(path, folder / path.name)  # noqa: PTH105
    return replace(decoded, images=_map_images(folder)) if keep else decoded


def _map_images(folder: Path) -> np.ndarray:
    # Mapped, so that memory holds only the rows that are copied out of the file.
    images: np.ndarray = np.load(folder / "images.npy", mmap_mode="r")
    return images


def _claim(path: Path) -> None:
    """Allocate the disk space of a sparse file, so that a full disk raises an error here.

    Without it, writing to the mapped file on a full disk would crash the process.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_stale(folder: Path) -> None:
    for left in folder.glob("tmp-*"):
        # Another process may remove the same folder.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
