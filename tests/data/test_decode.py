import contextlib
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from compression.core.errors import InputError
from compression.core.preparation import Preparation
from compression.data.decode import DamagedImageError, UnscaledImageError, decode_image, read_image


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


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F", "RGB", "YCbCr", "LAB"])
def test_every_mode_becomes_three_channels_or_one(mode, channels):
    if mode == "I;16":
        image = Image.fromarray(np.full((9, 9), 0x8080, np.uint16))
    elif mode in ("I", "F", "LAB"):
        image = Image.new(mode, (9, 9), {"I": 0x8080, "F": 128.0, "LAB": (128, 128, 128)}[mode])
    else:
        image = Image.new("RGB", (9, 9), (128, 128, 128)).convert(mode, palette=Image.Palette.ADAPTIVE)
    span = {"I": (0, 65535), "F": (0, 255)}.get(mode)
    how = Preparation(channels=channels, value_range=span, background=(255, 255, 255))
    decoded = decode_image(encode(image, "TIFF"), image_size=8, preparation=how)
    assert decoded.shape == (channels, 8, 8)
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


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 40), (31, 64), (64, 31), (1, 200)])
def test_grey_is_pillows_luma_of_the_same_pixels(height, width):
    image = Image.fromarray(make_pixels(height, width)).convert("L")
    decoded = decode_image(encode(image), image_size=16, preparation=Preparation(channels=1))
    assert np.array_equal(decoded, decode_image(encode(image), image_size=16)[:1])


def test_padding_keeps_the_complete_image_in_the_middle():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    how = Preparation(fit="pad", background=(255, 0, 9))
    decoded = decode_image(encode(Image.fromarray(pixels)), image_size=4, preparation=how).transpose(1, 2, 0)
    assert np.array_equal(decoded[1:3], pixels)
    assert decoded[[0, 3]].reshape(-1, 3).tolist() == [[255, 0, 9]] * 8


@pytest.mark.parametrize(("height", "width", "inner"), [(20, 60, (5, 16)), (60, 20, (16, 5)), (1, 100, (1, 16))])
def test_a_padded_image_is_resized_to_the_longer_side(height, width, inner):
    image = Image.fromarray(make_pixels(height, width))
    decoded = decode_image(encode(image), image_size=16, preparation=Preparation(fit="pad"))
    expected = np.asarray(image.resize(inner[::-1], Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    top, left = (16 - inner[0]) // 2, (16 - inner[1]) // 2
    assert np.array_equal(decoded[:, top : top + inner[0], left : left + inner[1]], expected)
    assert decoded.sum() == expected.sum()


def test_stretching_uses_every_pixel():
    image = Image.fromarray(make_pixels(20, 60))
    decoded = decode_image(encode(image), image_size=16, preparation=Preparation(fit="stretch"))
    expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR))
    assert np.array_equal(decoded, expected.transpose(2, 0, 1))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_square_images_do_not_depend_on_the_fit(fit):
    content = encode(Image.fromarray(make_pixels(40, 40)))
    decoded = decode_image(content, image_size=16, preparation=Preparation(fit=fit, background=(255, 255, 255)))
    assert np.array_equal(decoded, decode_image(content, image_size=16))


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_huge_jpeg_of_any_fit_is_close_to_a_full_decode(fit):
    content = encode(Image.fromarray(make_smooth(900, 2400)), "JPEG", quality=95)
    how = Preparation(fit=fit)
    decoded = decode_image(content, image_size=32, preparation=how).astype(int)
    expected = decode_image(encode(Image.open(io.BytesIO(content))), image_size=32, preparation=how).astype(int)
    assert np.abs(decoded - expected).max() <= 6


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (Image.new("RGBA", (8, 8), (0, 0, 0, 128)), {}),
        (Image.new("LA", (8, 8), (0, 128)), {}),
        (Image.new("RGB", (8, 8), (10, 20, 30)), {"transparency": (10, 20, 30)}),
        (Image.new("L", (8, 8), 10), {"transparency": 10}),
    ],
)
def test_transparency_shows_the_background(image, options):
    half = "transparency" not in options
    content = encode(image, **options)
    shown = decode_image(content, image_size=8, preparation=Preparation(background=(200, 100, 50)))
    assert shown[:, 0, 0].tolist() == ([100, 50, 25] if half else [200, 100, 50])
    grey = decode_image(content, image_size=8, preparation=Preparation(channels=1, background=(255, 255, 255)))
    assert grey[:, 0, 0].tolist() == ([127] if half else [255])


def test_a_palette_with_transparency_shows_the_background():
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    content = encode(image, transparency=b"\xff\x00")
    decoded = decode_image(content, image_size=8, preparation=Preparation(background=(1, 2, 3)))
    assert decoded[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, "floats"), (np.int32, "integers")])
def test_values_of_unknown_range_are_refused_with_the_range_found(tmp_path, dtype, kind):
    values = np.full((8, 8), 3, dtype)
    values[0, :2] = -7, 40
    content = encode(Image.fromarray(values), "TIFF")
    with pytest.raises(UnscaledImageError) as caught:
        decode_image(content, image_size=8)
    assert (caught.value.kind, caught.value.low, caught.value.high) == (kind, -7, 40)
    (tmp_path / "x.tif").write_bytes(content)
    with pytest.raises(InputError, match=rf"x.tif: it holds {kind} from -7 to 40, and no data.value_range says"):
        read_image(tmp_path / "x.tif", image_size=8)


def test_a_range_of_values_becomes_black_to_white():
    values = np.array([[-1.0, 0.0], [0.5, np.nan]], np.float32).repeat(4, 0).repeat(4, 1)
    how = Preparation(value_range=(-1.0, 1.0))
    decoded = decode_image(encode(Image.fromarray(values), "TIFF"), image_size=8, preparation=how)
    assert decoded[0, ::4, ::4].tolist() == [[0, 128], [191, 0]]
    twelve_bits = np.full((8, 8), 4095, np.uint16)
    how = Preparation(value_range=(0, 4095))
    assert decode_image(encode(Image.fromarray(twelve_bits)), image_size=8, preparation=how).min() == 255


def test_sixteen_bit_pgm_is_scaled():
    decoded = decode_image(b"P5 8 8 65535\n" + b"\x80\x80" * 64, image_size=8)
    assert decoded.min() == decoded.max() == 128


def test_a_format_that_is_not_listed_is_not_opened(monkeypatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("started a program"))
    content = encode(Image.fromarray(make_pixels(8, 8)), "EPS")
    with pytest.raises(DamagedImageError, match="cannot identify image"):
        decode_image(content, image_size=8)
