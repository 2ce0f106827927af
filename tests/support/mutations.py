"""Damaged artifacts: what chance, a bad disk or an enemy makes of a file."""

import copy
import hashlib
import random
import struct

from compression.core.container import CHECKSUM_BYTES, PREFIX, read_container, write_container

HUGE = (0, 1, 2, 7, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**40, 2**63, -1)


def mutate(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Return a damaged copy of an artifact, and whether checksums were repaired, so that it may say other things."""
    kind = rng.choice((flip_bits, truncate, cut_out, repeat, lie_in_prefix, lie_in_header, change_payload, swap_blocks))
    return kind(data, rng)


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
    """Write another length or version before the header, under a right checksum."""
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
    """Put another value anywhere in the header: a shape, a length, a name, a flag; checksums are right."""
    header, sections = read_container(data)
    header = copy.deepcopy(header)
    for _ in range(rng.choice((1, 1, 2))):
        places = list(_places(header))
        holder, key = rng.choice(places)
        holder[key] = _other_value(holder[key], rng, places)
    try:
        return write_container(header, sections=sections), True
    except ValueError:
        return flip_bits(data, rng)


def change_payload(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Change coded tensors and repair the checksum: what a codec then sees."""
    header, sections = read_container(data)
    name, payload = next(iter(sections.items()))
    damaged, _ = rng.choice((flip_bits, cut_out, repeat))(payload, rng)
    damaged = damaged[: len(payload)].ljust(len(payload), b"\x00")
    return write_container(header, sections={name: damaged}), True


def swap_blocks(data: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """Exchange the codecs, lengths or bytes of two tensors; checksums are right."""
    header, sections = read_container(data)
    table = header["tensors"]
    column = table[rng.choice(("codecs", "bytes", "owners", "shapes", "dtypes", "roles"))]
    first, second = rng.randrange(len(column)), rng.randrange(len(column))
    column[first], column[second] = column[second], column[first]
    return write_container(header, sections=sections), True


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
        # Of another type, or from elsewhere in the header.
        holder, key = rng.choice(places)
        return rng.choice((None, True, "", [], {}, 0.5, "x" * 100, copy.deepcopy(holder[key])))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((*HUGE, value + 1, value - 1, 2 * value))
    if isinstance(value, float):
        return rng.choice((0.0, -1.0, 1e308, 5e-324))
    if isinstance(value, str):
        return rng.choice((value[:-1], value + "0", "weight", "os.system", "dense", "bitmask", "ans", "context", "csr"))
    if isinstance(value, list):
        return rng.choice((value[:-1], value + value[:1], value[::-1]))
    return rng.choice(({}, None))
