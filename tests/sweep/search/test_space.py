"""The file with the space of a search."""

import pytest

from compression.core.errors import InputError
from compression.sweep.search.space import Choices, Range, read_space, tidy, to_override


def read(tmp_path, text):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return read_space(path)


def test_lists_and_ranges(tmp_path):
    space = read(
        tmp_path,
        "sparsity: {low: 0.5, high: 0.95, step: 0.05}\n"
        "weight_bits: [4, 6, 8]\n"
        "strategy.recovery.lr_factor: {low: 0.05, high: 1, log: true}\n"
        "strategy.schedule.steps: {low: 2, high: 6}\n",
    )
    assert space == {
        "sparsity": Range(0.5, 0.95, step=0.05),
        "weight_bits": Choices((4, 6, 8)),
        "strategy.recovery.lr_factor": Range(0.05, 1, log=True),
        "strategy.schedule.steps": Range(2, 6),
    }
    assert [wanted.is_whole for wanted in space.values() if isinstance(wanted, Range)] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be keys with lists or ranges"),
        ("- a", "must be keys with lists or ranges"),
        ("a: [1, 2", "is not YAML"),
        ("a: 1", "a=1: must be a list of values, or a range with low and high"),
        ("a: []", "must be different values, at least one"),
        ("a: [4, 4]", "must be different values"),
        ("a: [[1]]", r"a: \[0\]=\[1\]: must be true or false or a number or text or none"),
        ("a: {low: 1}", "a range has low, high, and step or log; found low"),
        ("a: {low: 1, high: 2, steps: 1}", "found low, high, steps"),
        ("a: {low: 2, high: 1}", "low=2 must be below high=1"),
        ("a: {low: x, high: 1}", "a: low='x': must be a number$"),
        ("a: {low: 1e-4, high: 1}", "a: low='1e-4': must be a number, with a point, as in 1.0e-4"),
        ("a: {low: 0.5, high: 1.0, log: yes please}", "a: log='yes please': must be true or false$"),
        ("a: {low: 0.5, high: 1.0, step: 1e-1}", "a: step='1e-1': must be a number or none, with a point, as in"),
        ("a: {low: 0.5, high: .inf, step: 0.5}", "a: high=inf: must be a number <= "),
        ("a: {low: .nan, high: 1.0}", "a: low=nan: must be a number >= "),
        ("a: {low: 0.5, high: 1.5, step: .inf}", "a: step=inf: must be a number <= "),
        ("a: {low: 0, high: 1, log: true}", "log=true must have low > 0 and no step"),
        ("a: {low: 1, high: 2, log: 1}", "a: log=1: must be true or false"),
        ("a: {low: 0.5, high: 0.95, step: 0.1}", "must reach high=0.95 from low=0.5 in steps of 0.1"),
        ("a: {low: true, high: 2}", "a: low=True: must be a number$"),
        ("a: {low: 0.5, high: 0.9, step: 0}", "step=0: must be > 0"),
    ],
)
def test_a_wrong_space_is_a_one_line_error(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_space(tmp_path / "none.yaml")


def test_values_are_written_as_in_a_command():
    assert tidy(0.7000000000000001, Range(0.5, 0.9, step=0.1)) == 0.7
    assert tidy(0.123456789, Range(0.05, 1.0, log=True)) == 0.1235
    assert tidy(0.999987, Range(0.9, 0.99999)) == 0.99999
    assert tidy(0.123456789, Choices((0.123456789,))) == 0.123456789
    values = {"a": None, "b": True, "c": 4, "d": 0.5, "e": "gmp"}
    assert [to_override(key, value) for key, value in values.items()] == ["a=null", "b=true", "c=4", "d=0.5", "e=gmp"]


def test_texts_stay_texts(tmp_path):
    space = read(tmp_path, "a: ['null', '0.5', 'x,y', 'a b(1)', plain, '[first]', 1e-4]")
    lines = [to_override("a", value) for value in space["a"].ends()]
    assert lines == ["a='null'", "a='0.5'", "a='x,y'", "a='a b(1)'", "a=plain", "a=[first]", "a=1e-4"]
