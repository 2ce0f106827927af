import pytest
import torch

from compression.analysis.robustness import (
    JPEG,
    KINDS,
    NOISE,
    STRENGTHS,
    add_noise,
    blur,
    compress_as_jpeg,
    lower_contrast,
    measure_robustness,
)


def halves(size=8):
    """An image whose left half is black and whose right half is white."""
    image = torch.zeros(1, 3, size, size)
    image[..., size // 2 :] = 1
    return image


def test_contrast_by_hand():
    # The mean is 0.5, and white is 0.5 above it. torchvision's weights of the three colours add up to 0.9999.
    assert lower_contrast(halves(), strength=1).max().item() == pytest.approx(0.5 + 0.5 * 0.75, abs=1e-4)
    assert lower_contrast(halves(), strength=3).min().item() == pytest.approx(0.5 - 0.5 * 0.15, abs=1e-4)


def test_a_blur_spreads_a_point_and_keeps_its_sum():
    point = torch.zeros(1, 3, 33, 33)
    point[..., 16, 16] = 1
    peaks = []
    for strength in STRENGTHS:
        found = blur(point, strength=strength)
        assert found.sum().item() == pytest.approx(3, rel=1e-4)
        assert torch.allclose(found, found.flip(2), atol=1e-6)
        assert torch.allclose(found, found.transpose(2, 3), atol=1e-6)
        peaks.append(found.max().item())
    assert peaks == sorted(peaks, reverse=True)
    assert blur(torch.full((1, 3, 8, 8), 0.25), strength=3).max().item() == pytest.approx(0.25)


def test_a_blur_is_as_wide_in_a_large_image():
    small, large = (blur(halves(size), strength=3)[0, 0, 0] for size in (32, 64))
    # A pixel beside the edge of the small image covers two of the large image.
    assert small[16].item() == pytest.approx(large[32:34].mean().item(), abs=0.015)
    assert 0.6 < small[16].item() < 0.75


def test_noise_has_its_strength_and_stays_in_range():
    grey = torch.full((20, 3, 32, 32), 0.5)
    for strength in STRENGTHS:
        noise = add_noise(grey, strength=strength, seed=0) - grey
        assert noise.std().item() == pytest.approx(NOISE[strength - 1], rel=0.02)
        assert noise.mean().item() == pytest.approx(0, abs=0.001)
    clipped = add_noise(halves(), strength=3, seed=0)
    assert (clipped.min().item(), clipped.max().item()) == (0, 1)


def test_noise_depends_on_seed_strength_and_place_only():
    grey = torch.full((4, 3, 8, 8), 0.5)
    whole = add_noise(grey, strength=2, seed=1)
    parts = [add_noise(one, strength=2, seed=1, first=index) for index, one in enumerate(grey.split(1))]
    assert torch.equal(whole, torch.cat(parts))
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(whole, add_noise(grey, strength=2, seed=2))


def test_jpeg_keeps_a_flat_image_and_loses_detail_with_the_quality():
    flat = torch.full((2, 3, 16, 16), 128 / 255)
    for strength in STRENGTHS:
        assert (compress_as_jpeg(flat, strength=strength) - flat).abs().max().item() < 2 / 255
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    errors = [(compress_as_jpeg(pixels, strength=strength) - pixels).square().mean().item() for strength in STRENGTHS]
    assert errors == sorted(errors)
    assert list(JPEG) == sorted(JPEG, reverse=True)


def finds_white(pixels):
    """Class 0 for an image with a pixel above 0.6, else class 1."""
    found = (pixels.amax(dim=(1, 2, 3)) > 0.6).float()
    return torch.stack([found, 1 - found], dim=1)


def always_one(pixels):
    return torch.tensor([[0.0, 1.0]]).expand(len(pixels), 2)


def test_accuracy_by_hand():
    batches = [(halves(), torch.tensor([0])), (halves(), torch.tensor([0]))]
    found = measure_robustness({"white": finds_white, "one": always_one}, batches, seed=0)
    assert list(found) == list(KINDS) == ["noise", "blur", "contrast", "jpeg"]
    # White is 0.875, 0.7 and 0.575 after the three changes of contrast.
    assert found["contrast"] == {
        "1": {"white": 1.0, "one": 0.0},
        "2": {"white": 1.0, "one": 0.0},
        "3": {"white": 0.0, "one": 0.0},
    }
    assert {one["white"] for one in found["jpeg"].values()} == {1.0}


def test_batches_are_read_once_and_their_size_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    pixels, labels = torch.rand(6, 3, 8, 8, generator=generator), torch.tensor([0, 1, 0, 1, 0, 1])

    def by_mean(images):
        mean = images.mean(dim=(1, 2, 3))
        return torch.stack([mean, 1 - mean], dim=1)

    found = [
        measure_robustness({"model": by_mean}, zip(pixels.split(size), labels.split(size), strict=True), seed=3)
        for size in (1, 4, 6)
    ]
    assert found[0] == found[1] == found[2]
