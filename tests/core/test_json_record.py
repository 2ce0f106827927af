import json
import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from compression.core.errors import InputError
from compression.core.json_record import Count, Finite, Fraction, NonNegative, Whole, check_version, convert_record

HUGE = 10**400
SHORT = "100000000000000000...0000000000000000000"


class Part(msgspec.Struct, forbid_unknown_fields=True):
    bytes: Count
    names: list[str] = []


class Record(msgspec.Struct):
    share: Fraction
    part: Part
    seconds: NonNegative = 0
    ratio: Annotated[float, Meta(le=1)] = 1.0
    rows: list[Part] = []
    named: dict[str, Part] = {}
    notes: dict[str, Any] = {}
    by_bits: dict[int, Finite] = {}
    seed: Whole | None = None


@dataclass(frozen=True)
class Pair:
    low: Finite
    high: Finite = 1
    words: tuple[str, ...] = field(default=())

    def __post_init__(self):
        if not self.low < self.high:
            raise ValueError(f"low={self.low} must be below\nhigh={self.high}")


def make(**changes):
    return {"share": 0.5, "part": {"bytes": 3}} | changes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 1.5}, "share=1.5: must be a number <= 1.0"),
        ({"share": math.nan}, "share=nan: must be a number >= 0.0"),
        ({"share": True}, "share=True: must be a number"),
        ({"share": "0.5"}, "share='0.5': must be a number"),
        ({"seconds": math.inf}, "seconds=inf: must be a number <= 1.7976931348623157e+308"),
        ({"ratio": HUGE}, f"ratio={SHORT}: must be a number"),
        ({"seconds": -1}, "seconds=-1: must be an integer >= 0"),
        ({"seed": 1.0}, "seed=1.0: must be an integer or none"),
        ({"part": 5}, "part=5: must be a mapping"),
        ({"part": {}}, "part.bytes is missing"),
        ({"part": {"bytes": 3, "a\nb": 1}}, "part.a b is not a known key"),
        ({"part": {"bytes": 3, "\ud800": 1}}, "a key is not Unicode text"),
        ({"part": {"bytes": HUGE}}, f"part.bytes={SHORT}: must be an integer <= "),
        ({"part": {"bytes": 3, "names": "ab"}}, "part.names='ab': must be a list"),
        ({"part": {"bytes": 3, "names": ["a", 1]}}, "part.names[1]=1: must be text"),
        ({"part": {"bytes": 3, "names": "x" * 1000}}, "part.names='xxxxxxxx"),
        ({"rows": [{"bytes": 3}, {"bytes": 0}]}, "rows[1].bytes=0: must be an integer >= 1"),
        ({"rows": [{}]}, "rows[0].bytes is missing"),
        ({"named": {"a": {"bytes": "x"}}}, "named[...].bytes: must be an integer, not text"),
        ({"by_bits": {"eight": 1}}, "a key of by_bits must be an integer, not text"),
        ({"notes": [1]}, "notes=[1]: must be a mapping"),
    ],
)
def test_the_error_names_path_value_and_allowed_values(change, message):
    with pytest.raises(InputError) as caught:
        convert_record(make(**change), Record, source="a.json")
    assert str(caught.value).startswith(f"a.json: {message}")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "must be a mapping, not a list"),
        ({}, "low is missing"),
        ({"low": 2}, "low=2 must be below high=1"),
        ({"low": 0, "words": [" - at `$.x`", 1]}, "words[1]=1: must be text"),
    ],
)
def test_a_record_may_be_a_dataclass(value, message):
    with pytest.raises(InputError) as caught:
        convert_record(value, Pair)
    assert str(caught.value) == message
    if value:
        with pytest.raises(InputError, match=r"^\[1\]"):
            convert_record([{"low": 0}, value], list[Pair])


def test_a_name_that_looks_like_a_path():
    with pytest.raises(InputError, match=r"is not a known key$"):
        convert_record({"bytes": 3, "a - at `$.b`": 1}, Part)


def test_a_record_is_read_as_it_was_written():
    text = '{"share": 1, "part": {"bytes": 3}, "seconds": 2.0, "notes": {"\\ud800": [null]}, "by_bits": {"8": 1}}'
    found = convert_record(json.loads(text) | {"unknown": 1}, Record)
    assert (repr(found.share), repr(found.seconds)) == ("1", "2.0")
    assert found.notes == {"\ud800": [None]}
    assert found.by_bits == {8: 1}
    assert convert_record({"low": 0, "words": ["a"]}, Pair) == Pair(0, words=("a",))


def test_deeply_nested_json_is_an_error():
    deep = json.loads("[" * 900 + "]" * 900)
    assert convert_record(make(notes={"deep": deep}), Record).notes["deep"] is deep
    with pytest.raises(InputError, match=r"^share=\[\[\[\[\[\[\[...\]\]\]\]\]\]\]: must be a number$"):
        convert_record(make(share=deep), Record)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], "must be a mapping, not a list"),
        ({}, "schema_version is missing"),
        ({"schema_version": True}, "schema_version=True: must be an integer"),
        ({"schema_version": 0}, "schema_version=0: must be an integer >= 1"),
        ({"schema_version": 4}, "schema_version=4: is newer than 3, the newest this version reads"),
    ],
)
def test_versions(record, message):
    check_version({"schema_version": 3, "more": 1}, newest=3)
    with pytest.raises(InputError) as caught:
        check_version(record, newest=3)
    assert str(caught.value) == message
