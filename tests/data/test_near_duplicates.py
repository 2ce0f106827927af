import io

import numpy as np
import pytest
from PIL import Image

from compression.data import near_duplicates as module
from compression.data.decode import decode_image
from compression.data.near_duplicates import find_near_duplicates
from compression.data.thumbnails import make_thumbnails


def make_photographs(num, *, seed=0, side=96):
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (num, 7, 7, 3), dtype=np.uint8)
    return [Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC) for one in small]


def see(images):
    """Return the thumbnails of pictures that were saved as JPEG files and decoded to 32x32 pixels."""
    decoded = []
    for image in images:
        file = io.BytesIO()
        image.save(file, format="JPEG", quality=85)
        decoded.append(decode_image(file.getvalue(), image_size=32))
    return make_thumbnails(np.stack(decoded))


CHANGES = {
    "resized": lambda image: image.resize((50, 50)),
    "lighter": lambda image: image.point(lambda value: min(255, 20 + value * 0.8)),
    "cut": lambda image: image.crop((1, 1, 95, 95)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_found_and_nothing_else(change):
    photographs = make_photographs(40)
    copies = [CHANGES[change](image) for image in photographs[:10]]
    parts = np.array([0] * 40 + [2] * 10 + [2] * 30)
    pairs = find_near_duplicates(see([*photographs, *copies, *make_photographs(30, seed=1)]), parts)
    assert pairs == [(40 + index, index) for index in range(10)]


def test_pairs_lead_from_a_later_part_to_the_likest_row_of_an_earlier_one():
    one, other = make_photographs(2)
    near = see([one, one.resize((40, 40)), one, one, other])
    near[2] = near[0]
    assert find_near_duplicates(near, np.array([0, 0, 2, 0, 2])) == [(2, 0)]
    assert find_near_duplicates(near, np.array([2, 2, 0, 2, 0])) == [(0, 2), (1, 2), (3, 2)]
    assert find_near_duplicates(near, np.array([1, 0, 1, 2, 0])) == [(0, 1), (2, 1), (3, 0)]
    assert find_near_duplicates(near, np.array([1, 1, 1, 1, 1])) == []
    assert find_near_duplicates(near, np.array([0, -1, -1, -1, 0])) == []


def test_pictures_without_contrast_are_not_compared():
    flat = np.full((4, 16, 16), 100, np.uint8)
    flat[2:] = np.arange(100, 116)
    assert find_near_duplicates(flat, np.array([0, 1, 0, 1])) == []
    steep = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (2, 16, 1))
    assert find_near_duplicates(steep, np.array([0, 1])) == [(1, 0)]


def test_a_pattern_of_very_many_is_not_compared(monkeypatch):
    steep = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (20, 16, 1))
    parts = np.arange(20) % 2
    assert len(find_near_duplicates(steep, parts)) == 10
    monkeypatch.setattr(module, "_MOST_PAIRS", 99)
    assert find_near_duplicates(steep, parts) == []


def test_pairs_of_equal_hashes_are_all_pairs_across_parts():
    generator = np.random.default_rng(2)
    hashes, parts = generator.integers(0, 5, 60), generator.integers(0, 3, 60)
    later, earlier = module._list_pairs(hashes, parts)
    expected = {(i, j) for i in range(60) for j in range(60) if hashes[i] == hashes[j] and parts[j] < parts[i]}
    assert len(later) == len(expected)
    assert set(zip(later.tolist(), earlier.tolist(), strict=True)) == expected
