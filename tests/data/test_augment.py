import pytest
import torch
from torchvision.transforms.v2 import functional

from compression.core.errors import InputError
from compression.data.augment import (
    Augment,
    adjust_colour,
    crop_at,
    cut_at,
    flip_where,
    random_colour_jitter,
    random_crop,
    random_cutout,
    random_horizontal_flip,
)


def make_generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.randint(0, 256, (64, 3, 12, 10), dtype=torch.uint8, generator=make_generator(1))


def test_crop_of_known_pixels():
    image = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).view(1, 1, 2, 2).repeat(3, 1, 1, 1)
    top, left = torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1])
    cropped = crop_at(image, padding=1, top=top, left=left)
    assert cropped[:, 0].tolist() == [[[0, 0], [0, 1]], [[1, 2], [3, 4]], [[3, 4], [0, 0]]]
    assert cropped.dtype == torch.uint8


def test_flip_of_known_pixels():
    image = torch.tensor([[1, 2], [3, 4]]).view(1, 1, 2, 2).repeat(2, 1, 1, 1)
    flipped = flip_where(image, flipped=torch.tensor([True, False]))
    assert flipped[:, 0].tolist() == [[[2, 1], [4, 3]], [[1, 2], [3, 4]]]


def test_crop_equals_torchvision(images):
    top = torch.randint(0, 9, (64,), generator=make_generator(2))
    left = torch.randint(0, 9, (64,), generator=make_generator(3))
    cropped = crop_at(images, padding=4, top=top, left=left)
    padded = functional.pad(images, [4, 4, 4, 4])
    for i in range(64):
        expected = functional.crop(padded[i], int(top[i]), int(left[i]), 12, 10)
        assert torch.equal(cropped[i], expected)


def test_flip_equals_torchvision(images):
    flipped = flip_where(images, flipped=torch.arange(64) % 2 == 0)
    assert torch.equal(flipped[::2], functional.horizontal_flip(images[::2]))
    assert torch.equal(flipped[1::2], images[1::2])


@pytest.mark.parametrize("factors", [(1.2, 0.8, 1.1), (0.0, 1.0, 1.0), (1.7, 1.5, 0.0), (1.0, 1.0, 1.0)])
def test_colour_equals_torchvision(images, factors):
    values = images / 255
    expected = functional.adjust_brightness(values, factors[0])
    expected = functional.adjust_contrast(expected, factors[1])
    expected = functional.adjust_saturation(expected, factors[2])
    factors = [torch.full((64,), factor) for factor in factors]
    torch.testing.assert_close(adjust_colour(images, *factors), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(adjust_colour(values, *factors), expected, rtol=0, atol=1e-6)


def test_colour_factors_differ_per_image(images):
    one = torch.ones(64)
    mixed = adjust_colour(images, torch.linspace(0.5, 1.5, 64), one, one)
    for i in (0, 31, 63):
        alone = functional.adjust_brightness(images[i] / 255, float(torch.linspace(0.5, 1.5, 64)[i]))
        torch.testing.assert_close(mixed[i], alone, rtol=0, atol=1e-6)


def test_random_crop_reaches_every_offset_and_no_other():
    images = torch.ones(4000, 1, 5, 5, dtype=torch.uint8)
    cropped = random_crop(images, padding=1, generator=make_generator())
    kept = cropped.sum(dim=(1, 2, 3))
    assert set(kept.tolist()) == {25, 20, 16}
    assert 0.08 < (kept == 25).float().mean() < 0.14


def test_random_flip_mirrors_about_half():
    images = torch.tensor([0, 1]).repeat(4000, 1).view(4000, 1, 1, 2)
    flipped = random_horizontal_flip(images, generator=make_generator())
    assert 0.46 < (flipped[..., 0] == 1).float().mean() < 0.54


def test_jitter_stays_within_its_strength():
    grey = torch.full((2000, 3, 2, 2), 0.5)
    jittered = random_colour_jitter(grey, strength=0.2, generator=make_generator())
    assert jittered.min() >= 0.4 - 1e-6
    assert jittered.max() <= 0.6 + 1e-6
    assert jittered.std() > 0.03


def test_cutout_of_known_pixels():
    image = torch.tensor([[0, 1], [2, 7]], dtype=torch.uint8).view(1, 1, 2, 2).repeat(3, 1, 1, 1)
    corners = {"top": torch.tensor([0, 1, -1]), "left": torch.tensor([0, 1, -1])}
    assert cut_at(image, size=1, **corners)[:, 0].tolist() == [[[2, 1], [2, 7]], [[0, 1], [2, 2]], [[0, 1], [2, 7]]]
    assert cut_at(image, size=2, **corners)[:, 0].tolist() == [[[2, 2], [2, 2]], [[0, 1], [2, 2]], [[2, 1], [2, 7]]]
    assert cut_at(image / 4, size=1, **corners)[0, 0, 0, 0] == 0.625  # the mean of floats is not rounded


def test_cutout_is_centred_on_any_pixel():
    images = torch.zeros(4000, 1, 5, 4, dtype=torch.uint8)
    images[:, :, 0, 0] = 255  # whose mean is 13
    changed = (random_cutout(images, size=1, generator=make_generator()) == 13).sum(0)[0]
    assert changed.min() > 140
    assert changed.max() < 260


@pytest.mark.parametrize(
    "augment",
    [Augment(cutout=4), Augment(crop_padding=2), Augment(horizontal_flip=True), Augment(2, True, 0.2)],
)
def test_same_generator_same_images(images, augment):
    first, again = (augment(images, make_generator(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, augment(images, make_generator(6)))
    assert first.shape == images.shape


def test_the_default_changes_nothing(images):
    generator = make_generator()
    state = generator.get_state()
    assert Augment()(images, generator) is images
    assert torch.equal(generator.get_state(), state)


def test_saturation_leaves_grey_images_and_brightness_does_not():
    images = torch.rand(2, 1, 4, 4)
    ones = torch.ones(2)
    assert torch.allclose(adjust_colour(images, ones, ones, torch.zeros(2)), images)
    assert torch.allclose(adjust_colour(images, ones / 2, ones, ones), images / 2)


def test_augmentation_is_described_in_words():
    assert Augment().describe() == "unchanged"
    words = (
        "shifted by up to 4 pixels, flipped left to right, colours changed by up to 20 %, a square of 8 pixels covered"
    )
    assert Augment(crop_padding=4, horizontal_flip=True, colour_jitter=0.2, cutout=8).describe() == words


@pytest.mark.parametrize("key", ["crop_padding", "cutout"])
def test_what_can_hide_a_whole_image_is_refused(key):
    Augment(**{key: 7}).check_fits(8)
    with pytest.raises(InputError, match=rf"data\.augment\.{key}=8: allowed is an integer from 0 to 7"):
        Augment(**{key: 8}).check_fits(8)
