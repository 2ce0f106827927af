import hashlib
import json
import random
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.container import (
    CHECKSUM_BYTES,
    MAGIC,
    MAX_HEADER_BYTES,
    PREFIX,
    is_container,
    read_container,
    write_container,
)
from compression.core.errors import ArtifactError, InputError

HEADER = {"b": [1, 2.5], "a": {"ü": None}}
SECTIONS = {"values": b"\x00\x01\x02", "empty": b"", "index": b"xyz"}


def checksum(data):
    return hashlib.blake2b(data, digest_size=16).digest()


def assemble(content, *, payload=b"", version=2, raw_bytes=None, payload_bytes=None):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    packed = zlib.compress(raw)
    raw_bytes = len(raw) if raw_bytes is None else raw_bytes
    payload_bytes = len(payload) if payload_bytes is None else payload_bytes
    prefix = struct.pack("<8sHHIIQ", MAGIC, version, 0, len(packed), raw_bytes, payload_bytes)
    return prefix + packed + checksum(prefix + packed) + payload


def test_layout_matches_the_documentation():
    data = write_container({"k": 1}, sections={"s": b"ab"})
    raw = b'{"header":{"k":1},"sections":[["s",2,"' + checksum(b"ab").hex().encode() + b'"]]}'
    packed = zlib.compress(raw, 9)
    prefix = b"\x89CMP\r\n\x1a\n\x02\x00\x00\x00" + struct.pack("<IIQ", len(packed), len(raw), 2)
    assert data == prefix + packed + checksum(prefix + packed) + b"ab"


def test_round_trip_keeps_order_of_sections(tmp_path):
    data = write_container(HEADER, sections=SECTIONS)
    header, sections = read_container(data)
    assert header == HEADER
    assert list(sections.items()) == list(SECTIONS.items())
    (tmp_path / "f").write_bytes(data)
    assert read_container(tmp_path / "f") == (header, sections)
    assert is_container(tmp_path / "f")


def test_same_input_same_bytes():
    shuffled = dict(reversed(HEADER.items()))
    assert write_container(HEADER, sections=SECTIONS) == write_container(shuffled, sections=SECTIONS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.text(), json_values, max_size=4),
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.binary(max_size=64), max_size=4),
)
def test_round_trip_of_anything(header, sections):
    assert read_container(write_container(header, sections=sections)) == (header, sections)


def test_every_flipped_bit_is_found():
    data = write_container(HEADER, sections=SECTIONS)
    for index in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[index] ^= 1 << bit
            with pytest.raises(ArtifactError):
                read_container(bytes(damaged))


def test_every_truncation_is_found():
    data = write_container(HEADER, sections=SECTIONS)
    for length in range(len(data)):
        expected = "is not an artifact" if length < 8 else "is truncated"
        with pytest.raises(ArtifactError, match=expected):
            read_container(data[:length])


def test_messages():
    data = write_container(HEADER, sections=SECTIONS)

    def read(damaged):
        with pytest.raises(ArtifactError) as caught:
            read_container(bytes(damaged), name="m.cmp")
        return str(caught.value)

    assert read(b"PK\x03\x04") == ("m.cmp is not an artifact of this package (or its first bytes are damaged)")
    assert read(data[:20]) == "m.cmp is truncated: has 20 bytes of at least 28"
    assert read(data[:-1]) == f"m.cmp is truncated: has {len(data) - 1} of {len(data)} bytes"
    assert read(data + b"!!") == f"m.cmp is damaged: has 2 bytes after its end at {len(data)}"
    assert read(data[:-1] + b"!") == "m.cmp is damaged: checksum of section index differs"
    assert read(data[:-4] + b"!xyz") == "m.cmp is damaged: checksum of section values differs"
    assert read(data[:40] + b"!" + data[41:]) == "m.cmp is damaged: checksum of the header differs"
    assert read(assemble({}, version=3)) == ("m.cmp has format version 3, newer than this package reads; allowed: 2")
    assert read(assemble({}, version=1)) == "m.cmp has format version 1, older than this package reads; allowed: 2"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"header":{"x":NaN},"sections":[]}',
        b'{"header":{"x":' + b"9" * 5000 + b'},"sections":[]}',
        [],
        {"header": {}},
        {"header": [], "sections": []},
        {"header": {}, "sections": {}},
        {"header": {}, "sections": [["a", 0]]},
        {"header": {}, "sections": [["a", -1, checksum(b"").hex()]]},
        {"header": {}, "sections": [["a", 0.0, checksum(b"").hex()]]},
        {"header": {}, "sections": [["../a", 0, checksum(b"").hex()]]},
        {"header": {}, "sections": [["a", True, checksum(b"").hex()]]},
        {"header": {}, "sections": [["a", 0, checksum(b"").hex()]] * 2},
        {"header": {}, "sections": [["a", 5, checksum(b"").hex()]]},
    ],
)
def test_hostile_headers_with_right_checksums(content):
    with pytest.raises(ArtifactError, match="is damaged"):
        read_container(assemble(content))


def test_lying_lengths_cost_no_memory():
    bomb = assemble(b" " * (64 << 20), raw_bytes=100)
    lies = [
        bomb,
        assemble(b"{}", raw_bytes=2**32 - 1),
        assemble(b" " * (64 << 20)),
        assemble({"header": {}, "sections": [["a", 2**60, "0" * 32]]}, payload_bytes=2**60),
        PREFIX.pack(MAGIC, 1, 0, 2**32 - 1, 10, 10) + bytes(100),
    ]
    tracemalloc.start()
    for data in lies:
        with pytest.raises(ArtifactError):
            read_container(data)
    assert tracemalloc.get_traced_memory()[1] < 4 * MAX_HEADER_BYTES
    tracemalloc.stop()


def test_random_garbage_with_right_checksums():
    generator = random.Random(0)
    good = json.loads(zlib.decompress(write_container(HEADER, sections=SECTIONS)[PREFIX.size : -22]))
    raw = json.dumps(good).encode()
    payload = b"".join(SECTIONS.values())
    for _ in range(500):
        mutated = bytearray(raw)
        for _ in range(generator.randint(1, 4)):
            mutated[generator.randrange(len(mutated))] = generator.randrange(256)
        try:
            _, sections = read_container(assemble(bytes(mutated), payload=payload))
        except ArtifactError:
            continue
        assert b"".join(sections.values()) == payload


def test_an_oversized_header_is_refused():
    with pytest.raises(InputError, match=r"is too large; allowed: 4194304"):
        write_container({"x": "y" * MAX_HEADER_BYTES}, sections={})


def test_checksum_length():
    assert len(checksum(b"")) == CHECKSUM_BYTES
