import pytest
from PIL import Image

from compression.data.image_headers import Headers, read_headers


@pytest.fixture
def names(tmp_path):
    """Files of the formats 2:1, 1:2 and 1:1, then a damaged and a missing file."""
    for index, size in enumerate(((20, 10), (10, 20), (10, 10))):
        Image.new("RGB", size).save(tmp_path / f"{index}.png")
    (tmp_path / "3.png").write_text("no image")
    return [f"{index}.png" for index in range(5)]


def test_the_mean_is_over_readable_images(tmp_path, names):
    assert read_headers(tmp_path, names) == Headers(mean_aspect=pytest.approx(5 / 3), transparent=False)
    assert read_headers(tmp_path, names[3:]) == read_headers(tmp_path, []) == Headers(1.0, transparent=False)


def test_a_sample_is_spread_over_the_list(tmp_path, names):
    # Of three files, the first and the second are read.
    assert read_headers(tmp_path, names[:3], most=2).mean_aspect == 2
    assert read_headers(tmp_path, [names[2], names[0], names[2], names[0]], most=2).mean_aspect == 1


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (Image.new("RGBA", (4, 4)), {}),
        (Image.new("LA", (4, 4)), {}),
        (Image.new("P", (4, 4)), {"transparency": 0}),
        (Image.new("RGB", (4, 4)), {"transparency": (0, 0, 0)}),
    ],
)
def test_transparency_is_seen_in_the_header(tmp_path, image, options):
    image.save(tmp_path / "x.png", **options)
    assert read_headers(tmp_path, ["x.png"]).transparent
