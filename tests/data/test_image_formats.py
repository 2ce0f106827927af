import pytest
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from compression.data.image_formats import EXTENSIONS, FORMATS, find_extension, is_image, list_extensions


def test_every_name_that_torchvision_reads_is_read():
    assert set(IMG_EXTENSIONS) <= set(EXTENSIONS)
    assert {".gif", ".jfif"} <= set(EXTENSIONS)
    assert list_extensions().startswith(".jpg .jpeg .png")


@pytest.mark.parametrize(("name", "image"), [("a.JPG", True), ("b.tga", False), ("c.png.bak", False), ("jpg", False)])
def test_names_of_images(name, image):
    assert is_image(name) is image


@pytest.mark.parametrize(("name", "extension"), [("a/b.c/d", ""), ("a.b/c.TGA", "tga"), ("x", ""), ("x.tar.gz", "gz")])
def test_extensions(name, extension):
    assert find_extension(name) == extension


def test_pillow_knows_every_format():
    Image.init()
    assert set(FORMATS) <= set(Image.OPEN)
    assert "EPS" not in FORMATS
