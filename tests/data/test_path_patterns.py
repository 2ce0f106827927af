import pytest

from compression.core.errors import InputError
from compression.data.path_patterns import PathPatterns, check_group_pattern, check_patterns, find_groups


@pytest.mark.parametrize(
    ("include", "exclude", "path", "kept"),
    [
        ((), (), "cat/1.png", True),
        ((), ("*.png",), "cat/1.png", False),
        ((), ("*.png",), "cat/1.PNG", False),
        ((), ("*_mask.*",), "train/cat/1_mask.png", False),
        ((), ("*_mask.*",), "train/cat/1_masked/2.png", True),
        ((), ("cat/*",), "cat/deep/1.png", False),
        ((), ("cat/*",), "dog/cat/1.png", True),
        (("*.jpg",), (), "cat/1.png", False),
        (("*.jpg", "*.png"), (), "cat/1.png", True),
        (("*.jpg",), ("dog/*",), "dog/1.jpg", False),
        ((), ("img[0-3].png",), "img2.png", False),
    ],
)
def test_patterns_by_hand(include, exclude, path, kept):
    assert PathPatterns(include, exclude).keeps(path) is kept


def test_values_of_include_and_exclude():
    assert check_patterns("include", None) == ()
    assert check_patterns("include", "*.jpg") == ("*.jpg",)
    assert check_patterns("exclude", ["a/*", "b/*"]) == ("a/*", "b/*")
    for wrong in (3, [1], [""], {"a": 1}):
        with pytest.raises(InputError, match=r"^data.exclude=.*: allowed is null or a list of patterns"):
            check_patterns("exclude", wrong)


def test_groups_are_the_first_group_of_the_pattern():
    names = ["a/part7_1.png", "b/part7_2.png", "a/part12_1.png", "a/other.png"]
    pattern = check_group_pattern(r"(part\d+)_")
    assert find_groups(names, pattern) == ["part7", "part7", "part12", "\0a/other.png"]
    assert check_group_pattern(None) is None


def test_a_group_that_takes_no_part_in_the_match_leaves_the_image_alone():
    assert find_groups(["a1", "b"], check_group_pattern("a(1)|b")) == ["1", "\0b"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "data.group_pattern=3: allowed is null or a regular expression"),
        ("(part", r"data.group_pattern=\(part: missing \), unterminated subpattern"),
        (r"part\d+", r"data.group_pattern=part\\d\+: has no group in brackets"),
    ],
)
def test_a_wrong_group_pattern_is_refused(value, message):
    with pytest.raises(InputError, match=message):
        check_group_pattern(value)


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(InputError, match=r"matches none of 2 paths inside data.root, such as a/1.png"):
        find_groups(["a/1.png", "a/2.png"], check_group_pattern("(part)"))
