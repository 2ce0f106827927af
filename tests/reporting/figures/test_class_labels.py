import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from compression.reporting.figures.class_labels import (
    MAX_CLASSES,
    describe_choice,
    fit_label,
    keep_worst,
    label_class,
)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat", "cat"),
        ("tench, Tinca tinca and others", "tench, Tin…nd others"),
        ("two\nlines", "two lines"),
        ("$x$ & $y", r"\$x\$ & \$y"),
        ("Käse", "Käse"),
        ("猫 cat", "? cat"),
    ],
)
def test_names_are_one_short_line(name, label):
    assert label_class(name) == label


def test_names_of_similar_classes_stay_different():
    names = ("Pneumonia_bacterial_left", "Pneumonia_bacterial_right", "Pneumonia_bacterial")
    assert len({label_class(name, limit=12) for name in names}) == 3


@pytest.mark.parametrize("name", ["cat", "WWWWWWWWWWWWWWWWWWWWWWWW", "iiiiiiiiiiiiiiiiiiiiii", "$$$$$$$$$$$$$$$$"])
def test_a_label_fits_its_place(name):
    text = fit_label(name, width=60, size=8, before="now ", after=" 0.93")
    assert text.startswith("now ")
    assert text.endswith(" 0.93")
    font = FontProperties(size=8)
    assert TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] <= 60
    assert "i" not in text or text.count("i") > 4


def test_only_the_worst_are_kept_and_the_title_says_so():
    assert keep_worst(range(30)) == range(MAX_CLASSES)
    assert describe_choice(1000) == ", the 20 worst of 1,000 classes"
    assert describe_choice(20) == ""
