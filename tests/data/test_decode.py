import contextlib
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from compression.core.errors import InputError
from compression.data.decode import DamagedImageError, decode_image, read_image


def encode(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def make_pixels(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def make_smooth(height, width):
    rows, columns = np.mgrid[0:height, 0:width]
    stack = [255 * rows / height, 255 * columns / width, 127 + 100 * np.sin(rows / 200 + columns / 300)]
    return np.stack(stack, axis=-1).astype(np.uint8)


def test_equal_size_keeps_the_pixels():
    pixels = make_pixels(16, 16)
    decoded = decode_image(encode(Image.fromarray(pixels)), image_size=16)
    assert np.array_equal(decoded, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(("height", "width"), [(40, 40), (31, 64), (64, 31), (10, 12), (16, 200), (1, 7)])
def test_other_sizes_equal_torchvisions_centre_crop_and_resize(height, width):
    image = Image.fromarray(make_pixels(height, width))
    decoded = torch.from_numpy(decode_image(encode(image), image_size=16).copy())
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    square = functional.crop(functional.pil_to_tensor(image), top, left, side, side)
    expected = functional.resize(functional.to_pil_image(square), [16, 16])
    assert torch.equal(decoded, functional.pil_to_tensor(expected))


def test_huge_jpeg_is_close_to_a_full_decode():
    image = Image.fromarray(make_smooth(1500, 2000))
    content = encode(image, "JPEG", quality=90)
    decoded = decode_image(content, image_size=32).astype(int)
    full = Image.open(io.BytesIO(content)).crop((250, 0, 1750, 1500))
    expected = np.asarray(full.resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.abs(decoded - expected).max() <= 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F", "RGB", "YCbCr", "LAB"])
def test_every_mode_becomes_three_channels(mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((9, 9), 0x8080, np.uint16))
    elif mode in ("I", "F", "LAB"):
        image = Image.new(mode, (9, 9), {"I": 0x8080, "F": 128.0, "LAB": (128, 128, 128)}[mode])
    else:
        image = Image.new("RGB", (9, 9), (128, 128, 128)).convert(mode, palette=Image.Palette.ADAPTIVE)
    decoded = decode_image(encode(image, "TIFF"), image_size=8)
    assert decoded.shape == (3, 8, 8)
    assert decoded.dtype == np.uint8
    if mode not in ("1", "LAB"):
        assert np.abs(decoded.astype(int) - 128).max() <= 1


def test_sixteen_bit_png_is_scaled_not_clipped():
    grey = np.array([[0, 257 * 10], [257 * 100, 65535]], np.uint16).repeat(4, 0).repeat(4, 1)
    decoded = decode_image(encode(Image.fromarray(grey)), image_size=8)
    assert decoded[0, ::4, ::4].tolist() == [[0, 10], [100, 255]]


def test_palette_with_transparency_drops_the_transparency():
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    decoded = decode_image(encode(image, transparency=b"\x00\x00"), image_size=8)
    assert decoded[:, 0, 0].tolist() == [200, 100, 50]


def test_orientation_tag_is_honoured():
    pixels = make_smooth(16, 16)
    exif = Image.Exif()
    exif[0x0112] = 3
    decoded = decode_image(encode(Image.fromarray(pixels), exif=exif), image_size=16)
    assert np.array_equal(decoded, pixels[::-1, ::-1].transpose(2, 0, 1))


@pytest.mark.filterwarnings("ignore::Warning:PIL")
@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM"])
def test_damaged_bytes_give_pixels_or_a_damaged_image_error(format, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    content = encode(Image.fromarray(make_pixels(24, 24)), format)
    generator = np.random.default_rng(1)
    for _ in range(150):
        broken = bytearray(content)
        for place in generator.integers(0, min(len(broken), 400), 6):
            broken[place] = generator.integers(256)
        with contextlib.suppress(DamagedImageError):
            assert decode_image(bytes(broken), image_size=8).shape == (3, 8, 8)


@pytest.mark.filterwarnings("ignore::Warning:PIL")
@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM"])
def test_truncated_file_is_damaged(format):
    content = encode(Image.fromarray(make_pixels(24, 24)), format)
    for length in (0, 10, len(content) // 2):
        with pytest.raises(DamagedImageError) as caught:
            decode_image(content[:length], image_size=8)
        assert str(caught.value)
        assert "\n" not in str(caught.value)


def test_bomb_is_damaged(monkeypatch):
    content = encode(Image.new("L", (60, 60)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DamagedImageError, match="pixels"):
        decode_image(content, image_size=8)


def test_read_image_names_the_file(tmp_path):
    path = tmp_path / "note.png"
    path.write_text("no image")
    with pytest.raises(InputError, match=r"note.png: not a readable image \(cannot identify image\)"):
        read_image(path, image_size=8)
    with pytest.raises(InputError, match=r"gone.png: cannot be read \(No such file or directory\)"):
        read_image(tmp_path / "gone.png", image_size=8)
