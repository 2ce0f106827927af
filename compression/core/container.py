"""The file format of an artifact: a JSON header and named sections of bytes, each with a checksum.

Layout, little endian::

    8 bytes   magic  89 43 4D 50 0D 0A 1A 0A   (reveals damage by text-mode transfer, as in PNG)
    u16       format version, 2
    u16       reserved, 0
    u32       size of the compressed header in bytes
    u32       size of the decompressed header in bytes
    u64       size of all sections together in bytes
    ...       header: zlib of JSON {"header": {...}, "sections": [[name, bytes, checksum], ...]}
    16 bytes  BLAKE2b-128 of everything before it
    ...       the sections, one after the other, in the order of the table
"""

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from msgspec import Meta, Struct

from compression.core.errors import ArtifactError, InputError
from compression.core.json_record import convert_record

MAGIC = b"\x89CMP\r\n\x1a\n"
FORMAT_VERSION = 2
PREFIX = struct.Struct("<8sHHIIQ")
CHECKSUM_BYTES = 16
# Limits the memory that the JSON reader allocates for a hostile header. 60,000 tensors fit.
MAX_HEADER_BYTES = 4 << 20


class _Content(Struct, forbid_unknown_fields=True):
    header: dict[str, Any]
    sections: list[tuple[str, Annotated[int, Meta(ge=0)], str]]


def write_container(header: Mapping[str, Any], *, sections: Mapping[str, bytes]) -> bytes:
    """Return the bytes of an artifact file; equal inputs give equal bytes.

    Raises ``InputError`` if the header is larger than 4 MiB.
    """
    table = [[name, len(data), _checksum(data).hex()] for name, data in sections.items()]
    raw = json.dumps(
        {"header": header, "sections": table},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    ).encode()
    if len(raw) > MAX_HEADER_BYTES:
        raise InputError(f"a header of {len(raw)} bytes is too large; allowed: {MAX_HEADER_BYTES}")
    packed = zlib.compress(raw, 9)
    payload = b"".join(sections.values())
    prefix = PREFIX.pack(MAGIC, FORMAT_VERSION, 0, len(packed), len(raw), len(payload))
    return b"".join((prefix, packed, _checksum(prefix + packed), payload))


def read_container(source: bytes | Path, *, name: str = "") -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return (header, sections by name) of an artifact, and verify every checksum.

    ``source`` is the path or the bytes of the file. Errors call it ``name``, or its path if there is no name. Memory
    use stays within the file's size plus a few times ``MAX_HEADER_BYTES``, whatever sizes the file claims. Raises
    ``ArtifactError`` for a file that is damaged, truncated, of another format or of another version.
    """
    if isinstance(source, Path):
        name = name or str(source)
        with source.open("rb") as stream:
            return _read(stream, num_bytes=source.stat().st_size, name=name)
    return _read(io.BytesIO(source), num_bytes=len(source), name=name or "artifact")


def is_container(path: Path) -> bool:
    """Return whether the file at ``path`` starts with the magic bytes of an artifact. Nothing else is checked."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def _read(stream: BinaryIO, *, num_bytes: int, name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    prefix = stream.read(PREFIX.size)
    if not prefix.startswith(MAGIC):
        raise ArtifactError(f"{name} is not an artifact of this package (or its first bytes are damaged)")
    if len(prefix) < PREFIX.size:
        raise ArtifactError(f"{name} is truncated: has {len(prefix)} bytes of at least {PREFIX.size}")
    _, version, reserved, packed_bytes, raw_bytes, payload_bytes = PREFIX.unpack(prefix)
    if version > FORMAT_VERSION:
        raise ArtifactError(
            f"{name} has format version {version}, newer than this package reads; allowed: {FORMAT_VERSION}"
        )
    start = PREFIX.size + packed_bytes + CHECKSUM_BYTES
    total = start + payload_bytes
    if num_bytes < start:
        raise ArtifactError(f"{name} is truncated: has {num_bytes} of {total} bytes")
    packed = stream.read(packed_bytes)
    if stream.read(CHECKSUM_BYTES) != _checksum(prefix + packed):
        raise ArtifactError(f"{name} is damaged: checksum of the header differs")
    if num_bytes < total:
        raise ArtifactError(f"{name} is truncated: has {num_bytes} of {total} bytes")
    if num_bytes > total:
        raise ArtifactError(f"{name} is damaged: has {num_bytes - total} bytes after its end at {total}")
    if version < FORMAT_VERSION:
        raise ArtifactError(
            f"{name} has format version {version}, older than this package reads; allowed: {FORMAT_VERSION}"
        )
    if reserved:
        raise ArtifactError(f"{name} is damaged: format version {version}, reserved field {reserved}")

    header, table = _parse_header(packed, raw_bytes=raw_bytes, name=name)
    if sum(size for _, size, _ in table) != payload_bytes:
        raise ArtifactError(f"{name} is damaged: its sections are not {payload_bytes} bytes together")
    sections = {}
    for section, size, checksum in table:
        data = stream.read(size)
        if len(data) != size:
            raise ArtifactError(f"{name} is truncated: ends within section {section}")
        if _checksum(data).hex() != checksum:
            raise ArtifactError(f"{name} is damaged: checksum of section {section} differs")
        sections[section] = data
    return header, sections


def _parse_header(packed: bytes, *, raw_bytes: int, name: str) -> tuple[dict[str, Any], list[tuple[str, int, str]]]:
    damaged = ArtifactError(f"{name} is damaged: its header cannot be read")
    if raw_bytes > MAX_HEADER_BYTES:
        raise ArtifactError(f"{name} claims a header of {raw_bytes} bytes; allowed: {MAX_HEADER_BYTES}")
    decompressor = zlib.decompressobj()
    try:
        raw = decompressor.decompress(packed, raw_bytes + 1)
        content = convert_record(json.loads(raw, parse_constant=_refuse_constant), _Content)
    except (zlib.error, ValueError, RecursionError) as error:
        raise damaged from error
    if len(raw) != raw_bytes or not decompressor.eof or decompressor.unused_data:
        raise damaged
    names = [section for section, _, _ in content.sections]
    if len(set(names)) != len(names) or not all(map(str.isidentifier, names)):
        raise damaged
    return content.header, content.sections


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()
