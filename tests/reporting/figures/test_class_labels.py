import pytest

from compression.reporting.figures.class_labels import MAX_CLASSES, describe_choice, keep_worst, label_class


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat", "cat"),
        ("tench, Tinca tinca and others", "tench, Tinca tinca…"),
        ("two\nlines", "two lines"),
        ("$x$ & $y", r"\$x\$ & \$y"),
        ("Käse", "Käse"),
        ("猫 cat", "? cat"),
    ],
)
def test_names_are_one_short_line(name, label):
    assert label_class(name) == label


def test_only_the_worst_are_kept_and_the_title_says_so():
    assert keep_worst(range(30)) == range(MAX_CLASSES)
    assert describe_choice(1000) == ", the 20 worst of 1,000 classes"
    assert describe_choice(20) == ""
