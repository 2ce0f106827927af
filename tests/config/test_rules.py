"""Rules of fields, and the keys by which errors name them."""

from dataclasses import asdict, dataclass, field

import pytest
from omegaconf import OmegaConf

from compression.config.rules import (
    Section,
    allow,
    at_least,
    check_section,
    checked,
    component,
    each,
    each_part,
    one_of,
    require,
    result_settings,
    within,
)
from compression.core.errors import InputError


@dataclass
class Inner(Section):
    count: int = checked(1, at_least(1))
    names: list[str] = checked(["a"], each(one_of("a", "b")), allow(bool, "one at least"))

    def check(self, at):
        require(len(self.names) <= self.count, f"{at}.names", self.names, f"at most {at}.count={self.count}")


@dataclass
class Outer(Section):
    share: float | None = checked(None, within("[0, 1)", note=", or null"))
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (Outer(share=1.0), "share=1.0: must be in [0, 1), or null"),
        (Outer(inner=Inner(count=0)), "inner.count=0: must be an integer >= 1"),
        (Outer(inner=Inner(names=["c"])), "inner.names=c: must be one of a, b"),
        (Outer(inner=Inner(names=[])), "inner.names=[]: must be one at least"),
        (Outer(inner=Inner(names=["a", "b"])), "inner.names=['a', 'b']: must be at most inner.count=1"),
    ],
)
def test_an_error_names_the_dotted_key(section, message):
    with pytest.raises(InputError) as caught:
        check_section(section)
    assert str(caught.value) == message


def test_a_section_can_be_checked_alone_under_a_given_key():
    with pytest.raises(InputError, match=r"^group\.inner\.count=0: must be an integer >= 1$"):
        check_section(Inner(count=0), "group.inner")


def test_right_values_and_null_pass():
    check_section(Outer())
    check_section(Outer(share=0.0, inner=Inner(2, ["a", "b"])))


def test_a_structured_configuration_has_the_defaults_and_no_shared_list():
    made = OmegaConf.to_object(OmegaConf.structured(Outer))
    assert made == Outer()
    assert Inner.count == 1
    made.inner.names.append("b")
    assert Inner().names == ["a"]


@pytest.mark.parametrize("wrong", [3, "SGD", ["a"], {"lr": 0.1}, {"_target_": None}])
def test_a_component_names_what_makes_it(wrong):
    with pytest.raises(InputError) as caught:
        component(wrong, key="training.optimizer")
    assert str(caught.value) == (
        f"training.optimizer={wrong}: must be a mapping with _target_, the dotted name of a class or function"
    )


def test_a_component_may_be_absent():
    component({}, key="regrowth")
    component({"_target_": "my.Regrowth"}, key="regrowth")


def test_each_part_of_a_mapping_follows_the_rule():
    rule = each_part(at_least(1))
    rule({"a": 1}, key="parts")
    with pytest.raises(InputError, match=r"^parts\.b=0: must be an integer >= 1$"):
        rule({"a": 1, "b": 0}, key="parts")
    with pytest.raises(InputError, match=r"^parts=3: must be a mapping$"):
        rule(3, key="parts")


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("[0, 1)", (0, 0.5), (-0.1, 1, float("nan"), float("inf"))),
        ("(0, 1]", (0.5, 1), (0, 1.1, float("nan"))),
        ("[2, 8]", (2, 8), (1, 9)),
    ],
)
def test_a_square_bracket_includes_the_end(interval, inside, outside):
    rule = within(interval)
    for value in inside:
        rule(value, key="key")
    for value in outside:
        with pytest.raises(InputError) as caught:
            rule(value, key="key")
        assert str(caught.value) == f"key={value}: must be in {interval}"


@dataclass
class Part(Section):
    kept: int = 1
    later: list[int] = checked([1, 2], added=True)


@dataclass
class Whole(Section):
    part: Part = field(default_factory=Part)
    later: float | None = checked(None, added=True)


def test_an_added_field_counts_only_where_it_differs_from_its_default():
    whole = Whole()
    assert result_settings(whole) == {"part": {"kept": 1}}
    whole.part.later, whole.later = [1], 0.5
    assert result_settings(whole) == {"part": {"kept": 1, "later": [1]}, "later": 0.5} == asdict(whole)


def test_the_settings_of_a_result_are_a_copy():
    whole = Whole(part=Part(later=[3]))
    result_settings(whole)["part"]["later"].append(4)
    assert whole.part.later == [3]
