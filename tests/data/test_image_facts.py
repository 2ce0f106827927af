import io

import numpy as np
import pytest
from PIL import Image

from compression.data.image_facts import (
    FACTS,
    count_kinds,
    describe_aspects,
    find_aspects,
    read_facts,
    write_aspect,
)


def facts_of(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    with Image.open(file) as opened:
        return read_facts(opened)


def checkers(mode, *values):
    image = Image.new(mode, (4, 2), values[0])
    for place, value in enumerate(values):
        image.putpixel((place, 0), value)
    return image


@pytest.mark.parametrize(
    ("image", "options", "facts"),
    [
        (checkers("L", 0, 255), {"format": "PNG"}, (4, 2, "PNG", "L", 2)),
        (checkers("L", 7), {"format": "BMP"}, (4, 2, "BMP", "L", 1)),
        (checkers("L", 0, 1, 2), {"format": "PNG"}, (4, 2, "PNG", "L", 0)),
        (checkers("1", 0, 1), {"format": "PNG"}, (4, 2, "PNG", "1", 2)),
        (checkers("RGB", (0, 0, 0), (9, 9, 9)), {"format": "TIFF"}, (4, 2, "TIFF", "RGB", 2)),
        (checkers("I;16", 0, 60000), {"format": "PNG"}, (4, 2, "PNG", "I;16", 0)),
        (checkers("L", 0, 255), {"format": "JPEG"}, (4, 2, "JPEG", "L", 0)),
    ],
)
def test_facts_by_hand(image, options, facts):
    assert facts_of(image, **options) == facts


def test_a_turned_photograph_has_the_size_that_a_viewer_shows():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert facts_of(Image.new("RGB", (30, 10)), format="JPEG", exif=exif)[:2] == (10, 30)


def table(*sizes):
    return np.array([(width, height, b"JPEG", b"L", 0) for width, height in sizes], FACTS)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([(32, 32), (8, 8)], "square"),
        ([(30, 20)], "all 1.5:1"),
        ([(20, 54), (10, 10), (54, 20), (0, 0)], "1:2.7 to 2.7:1"),
        ([(10, 10), (20, 10)], "1:1 to 2:1"),
        ([(0, 0)], ""),
    ],
)
def test_aspects_in_words(sizes, words):
    assert describe_aspects(table(*sizes)) == words


def test_aspects_and_kinds_leave_damaged_files_out():
    assert find_aspects(table((30, 20), (0, 0), (10, 20))).tolist() == [1.5, 0.5]
    assert count_kinds(table((30, 20), (0, 0), (10, 20)), "format") == {"JPEG": 2}


@pytest.mark.parametrize(("aspect", "text"), [(1.0, "1:1"), (2.0, "2:1"), (0.4, "1:2.5"), (1.333, "1.3:1")])
def test_an_aspect_in_words(aspect, text):
    assert write_aspect(aspect) == text
