"""Damaged artifacts, as a bad disk or an attacker could make them."""

import copy
import hashlib
import math
import random
import struct

from compression.core.container import CHECKSUM_BYTES, PREFIX, read_container, write_container

HUGE = (0, 1, 2, 7, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**40, 2**63, -1)
# These exceed the range of a float, so they are only for the header and not for the prefix.
HUGER = (*HUGE, 10**400, -(10**400))
ODD_TEXTS = ("weight", "os.system", "dense", "bitmask", "ans", "context", "csr", "", "a\nb", "\x1b[2J", "\ud800")


def mutate(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Return a damaged copy of an artifact, and whether its checksums were repaired.

    With repaired checksums, the file may be valid and hold other tensors.
    """
    return rng.choice(KINDS)(data, rng)


def flip_bits(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8, 64))):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged), False


def truncate(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    return data[: rng.randrange(len(data))], False


def cut_out(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 100) :], False


def repeat(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    start = rng.randrange(len(data))
    return data[:start] + data[start : start + rng.randrange(1, 100)] + data[start:], False


def lie_in_prefix(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Write another length or version into the prefix; the checksum is valid."""
    fields = list(PREFIX.unpack(data[: PREFIX.size]))
    index = rng.randrange(1, len(fields))
    limit = (0, 16, 16, 32, 32, 64)[index]
    fields[index] = rng.choice(HUGE) % (1 << limit)
    prefix = PREFIX.pack(*fields)
    packed_bytes = struct.unpack_from("<I", data, 12)[0]
    packed = data[PREFIX.size : PREFIX.size + packed_bytes]
    rest = data[PREFIX.size + packed_bytes + CHECKSUM_BYTES :]
    return prefix + packed + _checksum(prefix + packed) + rest, True


def lie_in_header(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Change values anywhere in the header: a shape, a length, a name, a flag; checksums are valid."""
    header, sections = read_container(data)
    header = copy.deepcopy(header)
    for _ in range(rng.choice((1, 1, 2))):
        places = list(_places(header))
        holder, key = rng.choice(places)
        if isinstance(holder, dict) and rng.random() < 0.1:
            holder[rng.choice((*ODD_TEXTS, key + "\n"))] = holder.pop(key)
        else:
            holder[key] = _other_value(holder[key], rng, places)
    try:
        return write_container(header, sections=sections), True
    except ValueError:
        return flip_bits(data, rng)


def change_payload(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Change coded tensors and repair the checksum, so that a codec sees the damage."""
    header, sections = read_container(data)
    name, payload = next(iter(sections.items()))
    damaged, _ = rng.choice((flip_bits, cut_out, repeat))(payload, rng)
    damaged = damaged[: len(payload)].ljust(len(payload), b"\x00")
    return write_container(header, sections={name: damaged}), True


def swap_blocks(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Exchange the codecs, lengths, owners, shapes, types or roles of two tensors; checksums are valid."""
    header, sections = read_container(data)
    table = header["tensors"]
    column = table[rng.choice(("codecs", "bytes", "owners", "shapes", "dtypes", "roles"))]
    first, second = rng.randrange(len(column)), rng.randrange(len(column))
    column[first], column[second] = column[second], column[first]
    return write_container(header, sections=sections), True


def change_block(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Write other bytes into one tensor, anywhere or at its start, where its lengths are; checksums are valid."""
    header, sections = read_container(data)
    payload = bytearray(sections["tensors"])
    start, size = rng.choice(_spans(header))
    for _ in range(rng.choice((1, 1, 2, 4))):
        if size:
            place = start + rng.randrange(min(size, rng.choice((2, 8, size))))
            payload[place] = rng.choice(
                (0, 1, 127, 128, 255, rng.randrange(256), payload[place] ^ 1 << rng.randrange(8))
            )
    return write_container(header, sections={"tensors": bytes(payload)}), True


def swap_bytes(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Exchange the bytes of two tensors, with or without their lengths; checksums are valid."""
    header, sections = read_container(data)
    payload, spans = sections["tensors"], _spans(header)
    parts = [payload[start : start + size] for start, size in spans]
    first, second = rng.randrange(len(parts)), rng.randrange(len(parts))
    parts[first], parts[second] = parts[second], parts[first]
    if rng.random() < 0.5:
        header["tensors"]["bytes"] = [len(part) for part in parts]
    return write_container(header, sections={"tensors": b"".join(parts)}), True


def change_sections(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Rename the section, add a second one before or after it, or cut it in two; checksums are valid."""
    header, sections = read_container(data)
    payload = sections["tensors"]
    half = len(payload) // 2
    changed = rng.choice(
        (
            {"other": payload},
            {"other": payload, "tensors": b""},
            {"tensors": payload, "other": payload},
            {"other": b"", "tensors": payload},
            {"tensors": payload[:half], "other": payload[half:]},
            {"tensors": payload[half:], "other": payload[:half]},
            {"tensors": payload[:half]},
            {"tensors": payload + payload},
            {},
        )
    )
    return write_container(header, sections=changed), True


def lie_in_shapes(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Declare huge, empty or other shapes for one, two or all tensors; checksums are valid."""
    header, sections = read_container(data)
    shapes = header["tensors"]["shapes"]
    for index in rng.sample(range(len(shapes)), rng.choice((1, 1, 2, len(shapes)))):
        shapes[index] = rng.choice(
            (
                [1 << rng.randrange(41)],
                [1 << rng.randrange(21), 1 << rng.randrange(21)],
                [*shapes[index], rng.choice(HUGE)],
                [size * rng.choice((1, 2, 64, 4096)) for size in shapes[index]],
                [0, *shapes[index]],
                [1 << 40, 0],
                shapes[index][::-1],
                [math.prod(shapes[index])],
                [],
            )
        )
    return write_container(header, sections=sections), True


KINDS = (
    flip_bits,
    truncate,
    cut_out,
    repeat,
    lie_in_prefix,
    lie_in_header,
    change_payload,
    swap_blocks,
    change_block,
    swap_bytes,
    change_sections,
    lie_in_shapes,
)


def _spans(header):
    """Return (start, number of bytes) of each block in the payload."""
    starts, start = [], 0
    for size in header["tensors"]["bytes"]:
        starts.append((start, size))
        start += size
    return starts


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECKSUM_BYTES).digest()


def _places(content, found=None):
    """Return every (container, key) below ``content``."""
    found = [] if found is None else found
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        found.append((content, key))
        if isinstance(value, (dict, list)):
            _places(value, found)
    return found


def _other_value(value, rng, places):
    if rng.random() < 0.2:
        # A value of another type, or a value from elsewhere in the header.
        holder, key = rng.choice(places)
        return rng.choice((None, True, "", [], {}, 0.5, "x" * 100, copy.deepcopy(holder[key])))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((*HUGER, value + 1, value - 1, 2 * value))
    if isinstance(value, float):
        return rng.choice((0.0, -1.0, 1e308, 5e-324, 10**400))
    if isinstance(value, str):
        return rng.choice((value[:-1], value + "0", value + "\n", *ODD_TEXTS))
    if isinstance(value, list):
        return rng.choice((value[:-1], value + value[:1], value[::-1]))
    return rng.choice(({}, None))
