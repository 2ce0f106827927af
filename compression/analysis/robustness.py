"""Robustness: accuracy on images with noise, blur, low contrast or JPEG artefacts (arXiv:1903.12261).

The kinds of damage and their strengths are those of CIFAR-10-C, at its severities 1, 3 and 5.
"""

from collections.abc import Callable, Iterable, Mapping
from math import ceil

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from compression.core.seeding import make_generator

# Standard deviation of Gaussian noise, on the 0..1 scale of pixels.
NOISE = (0.04, 0.08, 0.10)
# Standard deviation of a Gaussian blur, in pixels of an image of 32x32 pixels; larger images get a wider blur.
BLUR = (0.4, 0.7, 1.0)
_BLURRED_SIZE = 32
# Factor of the contrast around the mean grey of each image.
CONTRAST = (0.75, 0.4, 0.15)
# Quality of a JPEG file, from 1 to 100.
JPEG = (80, 58, 40)

STRENGTHS = (1, 2, 3)
# Robustness takes twelve passes over at most this many test images.
MOST_IMAGES = 10_000


@torch.inference_mode()
def measure_robustness(
    models: Mapping[str, Callable[[Tensor], Tensor]], batches: Iterable[tuple[Tensor, Tensor]], *, seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the accuracy (0 to 1) of each model on damaged images: by kind, strength ("1" to "3") and model.

    ``models`` return logits [B, C] for pixels [B, channels, H, W], float32 on the 0..1 scale, before normalization.
    ``batches`` yield pixels and labels [B], and are read once. The kinds are noise, blur, contrast and jpeg. The noise
    of an image depends on ``seed`` and the image's place in the order, not on the batch size.
    """
    hits = {kind: {str(one): dict.fromkeys(models, 0) for one in STRENGTHS} for kind in _KINDS}
    num_images = 0
    for pixels, labels in batches:
        for kind, damage in _KINDS.items():
            for strength in STRENGTHS:
                damaged = damage(pixels, strength, seed, num_images)
                for name, model in models.items():
                    right = model(damaged).argmax(dim=1) == labels
                    hits[kind][str(strength)][name] += int(right.sum())
        num_images += len(labels)
    assert num_images > 0, "no images to damage"
    return {
        kind: {
            strength: {name: count / num_images for name, count in by_model.items()}
            for strength, by_model in by_strength.items()
        }
        for kind, by_strength in hits.items()
    }


def add_noise(pixels: Tensor, *, strength: int, seed: int, first: int = 0) -> Tensor:
    """Return ``pixels: [B, C, H, W]`` (0 to 1) with Gaussian noise, clipped; ``first`` is the number of image 0."""
    # Drawn on the CPU and image by image: the same noise on every device and for every batch size.
    noise = [
        torch.randn(pixels.shape[1:], generator=make_generator(seed, "noise", strength, first + index))
        for index in range(len(pixels))
    ]
    damaged = pixels + NOISE[strength - 1] * torch.stack(noise).to(pixels.device)
    return damaged.clamp(0, 1)


def blur(pixels: Tensor, *, strength: int) -> Tensor:
    """Return ``pixels: [B, C, H, W]`` after a Gaussian blur that is as wide, relative to the image, as in 32x32."""
    sigma = BLUR[strength - 1] * min(pixels.shape[-2:]) / _BLURRED_SIZE
    # Three standard deviations on each side hold 99.7 % of the kernel.
    size = 2 * ceil(3 * sigma) + 1
    # Along one axis after the other, which is the same and much faster for a wide blur.
    across: Tensor = functional.gaussian_blur(pixels, [size, 1], [sigma, sigma])
    damaged: Tensor = functional.gaussian_blur(across, [1, size], [sigma, sigma])
    return damaged


def lower_contrast(pixels: Tensor, *, strength: int) -> Tensor:
    """Return ``pixels: [B, C, H, W]`` (0 to 1) with their differences from the mean grey of each image reduced."""
    damaged: Tensor = functional.adjust_contrast(pixels, CONTRAST[strength - 1])
    return damaged


def compress_as_jpeg(pixels: Tensor, *, strength: int) -> Tensor:
    """Return ``pixels: [B, C, H, W]`` (0 to 1) after they were written and read as JPEG."""
    levels = (pixels * 255).round().to(torch.uint8).cpu()
    # By Pillow, because torchvision's own codec is deprecated.
    pictures = [functional.jpeg(functional.to_pil_image(one), JPEG[strength - 1]) for one in levels]
    damaged = torch.stack([functional.pil_to_tensor(one) for one in pictures])
    return damaged.to(pixels.device).float() / 255


_KINDS: Mapping[str, Callable[[Tensor, int, int, int], Tensor]] = {
    "noise": lambda pixels, strength, seed, first: add_noise(pixels, strength=strength, seed=seed, first=first),
    "blur": lambda pixels, strength, *_: blur(pixels, strength=strength),
    "contrast": lambda pixels, strength, *_: lower_contrast(pixels, strength=strength),
    "jpeg": lambda pixels, strength, *_: compress_as_jpeg(pixels, strength=strength),
}
KINDS = tuple(_KINDS)
