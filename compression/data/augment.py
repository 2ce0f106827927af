"""Augmentation of batches on the device of the images; all random numbers come from a given generator."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import pad

from compression.core.errors import InputError
from compression.data.options import check_bool, check_int, check_number

LUMA = (0.2989, 0.587, 0.114)


def random_crop(images: Tensor, *, padding: int, generator: torch.Generator) -> Tensor:
    """Return each image shifted by up to ``padding`` pixels in each direction and filled with zeros.

    This is a random crop of the zero-padded image. ``images: [B, C, H, W]`` keep their shape and dtype.
    """
    offsets = torch.randint(0, 2 * padding + 1, (2, len(images)), generator=generator, device=generator.device)
    return crop_at(images, padding=padding, top=offsets[0], left=offsets[1])


def crop_at(images: Tensor, *, padding: int, top: Tensor, left: Tensor) -> Tensor:
    """Return a crop of each zero-padded image at its own offset, in the shape of ``images: [B, C, H, W]``.

    The offsets ``top`` and ``left`` are int64 ``[B]`` in [0, 2 * padding].
    """
    height, width = images.shape[-2:]
    windows = pad(images, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def random_horizontal_flip(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return ``images: [B, C, H, W]``, each mirrored left to right with probability 1/2."""
    flipped = torch.rand(len(images), generator=generator, device=generator.device) < 0.5
    return flip_where(images, flipped=flipped)


def flip_where(images: Tensor, *, flipped: Tensor) -> Tensor:
    """Return ``images: [B, C, H, W]``, mirrored left to right where ``flipped`` (bool ``[B]``) is True."""
    return torch.where(flipped.view(-1, 1, 1, 1), images.flip(-1), images)


def random_colour_jitter(images: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """Return images with random brightness, contrast and saturation.

    Each image draws three factors, uniform in [max(0, 1 - strength), 1 + strength]. ``images: [B, C, H, W]`` are uint8,
    or float32 on the 0..1 scale; the result is float32 on the 0..1 scale.
    """
    low = max(0.0, 1.0 - strength)
    noise = torch.rand((3, len(images)), generator=generator, device=generator.device)
    return adjust_colour(images, *(low + noise * (1.0 + strength - low)))


def adjust_colour(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Return images with the three factors applied in this order, as in torchvision.

    Each factor is float32 ``[B]``. Values are clamped to 0..1 after each factor. ``images: [B, C, H, W]`` are uint8, or
    float32 on the 0..1 scale; the result is float32 on the 0..1 scale. Saturation does not change grey images (C = 1).
    """
    values = images if images.is_floating_point() else images.to(torch.float32) / 255
    values = (values * brightness.view(-1, 1, 1, 1)).clamp_(0, 1)
    values = _blend(values, _grey(values).mean(dim=(2, 3), keepdim=True), contrast)
    return _blend(values, _grey(values), saturation)


def _grey(values: Tensor) -> Tensor:
    if values.shape[1] == 1:
        return values
    red, green, blue = values.split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _blend(values: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(other.expand_as(values), values, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def random_cutout(images: Tensor, *, size: int, generator: torch.Generator) -> Tensor:
    """Return images in which one square of ``size`` pixels is filled with the image's mean colour (arXiv:1708.04552).

    Its centre is any pixel, so a part of the square may be outside. ``images: [B, C, H, W]`` keep their dtype.
    """
    noise = torch.rand((2, len(images)), generator=generator, device=generator.device)
    spans = torch.tensor(images.shape[-2:], device=noise.device)[:, None]
    first = (noise * spans).long() - size // 2
    return cut_at(images, size=size, top=first[0], left=first[1])


def cut_at(images: Tensor, *, size: int, top: Tensor, left: Tensor) -> Tensor:
    """Return images with a square of their mean colour, each at its own corner: int64 ``[B]``, or outside the image.

    ``images: [B, C, H, W]`` keep their dtype; a mean colour in uint8 is rounded.
    """
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) - top[:, None]
    columns = torch.arange(width, device=images.device) - left[:, None]
    inside = ((rows >= 0) & (rows < size))[:, None, :, None] & ((columns >= 0) & (columns < size))[:, None, None, :]
    mean = images.to(torch.float32).mean((2, 3), keepdim=True)
    return torch.where(inside, (mean if images.is_floating_point() else mean.round()).to(images.dtype), images)


@dataclass(frozen=True)
class Augment:
    """Augmentation of training images: crop, horizontal flip, colour jitter, cutout. The default does nothing.

    They follow in this order. ``crop_padding`` is in pixels. ``colour_jitter`` is the largest relative change of
    brightness, contrast and saturation. ``cutout`` is the side of a square in pixels. Raises ``InputError`` for values
    out of range.
    """

    crop_padding: int = 0
    horizontal_flip: bool = False
    colour_jitter: float = 0.0
    cutout: int = 0

    def __post_init__(self) -> None:
        check_int("augment.crop_padding", self.crop_padding, minimum=0)
        check_bool("augment.horizontal_flip", self.horizontal_flip)
        check_number("augment.colour_jitter", self.colour_jitter, minimum=0)
        check_int("augment.cutout", self.cutout, minimum=0)

    @classmethod
    def parse(cls, value: "Augment | Mapping[str, object] | None") -> "Augment":
        """Return an ``Augment`` from a yaml mapping; None stands for the default.

        Raises ``InputError`` for an unknown key or a bad value.
        """
        if isinstance(value, cls):
            return value
        known = [field.name for field in fields(cls)]
        if value is not None and not isinstance(value, Mapping):
            raise InputError(f"data.augment={value}: allowed is a mapping with the keys {', '.join(known)}")
        options = dict(value or {})
        for key in options:
            if key not in known:
                raise InputError(f"data.augment.{key}: no such key; allowed are {', '.join(known)}")
        return cls(**options)  # type: ignore[arg-type]

    def check_fits(self, image_size: int) -> None:
        """Raise ``InputError`` for a shift or a square that can hide a whole image of ``image_size`` pixels."""
        check_int("augment.crop_padding", self.crop_padding, minimum=0, maximum=image_size - 1)
        check_int("augment.cutout", self.cutout, minimum=0, maximum=image_size - 1)

    def describe(self) -> str:
        """Return what happens to training images, such as ``shifted by up to 4 pixels, flipped left to right``."""
        parts = []
        if self.crop_padding:
            parts.append(f"shifted by up to {self.crop_padding} pixels")
        if self.horizontal_flip:
            parts.append("flipped left to right")
        if self.colour_jitter:
            parts.append(f"colours changed by up to {100 * self.colour_jitter:g} %")
        if self.cutout:
            parts.append(f"a square of {self.cutout} pixels covered")
        return ", ".join(parts) or "unchanged"

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the augmented batch of ``images: [B, C, H, W]``.

        uint8 stays uint8 unless colours change; then the result is float32 on the 0..1 scale.
        """
        if self.crop_padding:
            images = random_crop(images, padding=self.crop_padding, generator=generator)
        if self.horizontal_flip:
            images = random_horizontal_flip(images, generator=generator)
        if self.colour_jitter:
            images = random_colour_jitter(images, strength=self.colour_jitter, generator=generator)
        if self.cutout:
            images = random_cutout(images, size=self.cutout, generator=generator)
        return images
