"""Augmentation of whole batches on the device the images are on; every draw comes from a given generator."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import pad

from compression.core.errors import InputError
from compression.data.options import check_bool, check_int, check_number

LUMA = (0.2989, 0.587, 0.114)


def random_crop(images: Tensor, *, padding: int, generator: torch.Generator) -> Tensor:
    """Shift each image by up to ``padding`` pixels each way, filling with zeros (crop of the padded image).

    images: [B, C, H, W], any dtype; same shape and dtype back.
    """
    offsets = torch.randint(0, 2 * padding + 1, (2, len(images)), generator=generator, device=generator.device)
    return crop_at(images, padding=padding, top=offsets[0], left=offsets[1])


def crop_at(images: Tensor, *, padding: int, top: Tensor, left: Tensor) -> Tensor:
    """Crop each zero-padded image at its own offset, ``top`` and ``left`` int64 [B] in [0, 2 * padding]."""
    height, width = images.shape[-2:]
    windows = pad(images, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def random_horizontal_flip(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability 1/2; images: [B, C, H, W]."""
    flipped = torch.rand(len(images), generator=generator, device=generator.device) < 0.5
    return flip_where(images, flipped=flipped)


def flip_where(images: Tensor, *, flipped: Tensor) -> Tensor:
    """Mirror the images whose entry of ``flipped`` (bool [B]) is True."""
    return torch.where(flipped.view(-1, 1, 1, 1), images.flip(-1), images)


def random_colour_jitter(images: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation by factors from U[max(0, 1 - strength), 1 + strength].

    images: [B, 3, H, W] uint8, or float32 on the 0..1 scale; returns float32 on the 0..1 scale.
    """
    low = max(0.0, 1.0 - strength)
    noise = torch.rand((3, len(images)), generator=generator, device=generator.device)
    return adjust_colour(images, *(low + noise * (1.0 + strength - low)))


def adjust_colour(images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Apply the three factors (float32 [B] each) in this order, clamping to 0..1 after each, as torchvision.

    images: [B, 3, H, W] uint8, or float32 on the 0..1 scale; returns float32 on the 0..1 scale.
    """
    values = images if images.is_floating_point() else images.to(torch.float32) / 255
    values = (values * brightness.view(-1, 1, 1, 1)).clamp_(0, 1)
    values = _blend(values, _grey(values).mean(dim=(2, 3), keepdim=True), contrast)
    return _blend(values, _grey(values), saturation)


def _grey(values: Tensor) -> Tensor:
    red, green, blue = values.split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _blend(values: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(other.expand_as(values), values, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


@dataclass(frozen=True)
class Augment:
    """What is done to training images, in this order: crop, horizontal flip, colour jitter; default nothing.

    ``crop_padding`` in pixels, ``colour_jitter`` the largest relative change of the three colour factors.
    Raises InputError for values out of range.
    """

    crop_padding: int = 0
    horizontal_flip: bool = False
    colour_jitter: float = 0.0

    def __post_init__(self) -> None:
        check_int("augment.crop_padding", self.crop_padding, minimum=0)
        check_bool("augment.horizontal_flip", self.horizontal_flip)
        check_number("augment.colour_jitter", self.colour_jitter, minimum=0)

    @classmethod
    def parse(cls, value: "Augment | Mapping[str, object] | None") -> "Augment":
        """Build from a yaml mapping; raise InputError for an unknown key or a bad value."""
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

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Augment a batch [B, 3, H, W]; uint8 stays uint8 unless colours change (then float32, 0..1)."""
        if self.crop_padding:
            images = random_crop(images, padding=self.crop_padding, generator=generator)
        if self.horizontal_flip:
            images = random_horizontal_flip(images, generator=generator)
        if self.colour_jitter:
            images = random_colour_jitter(images, strength=self.colour_jitter, generator=generator)
        return images
