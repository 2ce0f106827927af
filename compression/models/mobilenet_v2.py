"""MobileNetV2, arXiv:1801.04381."""

from typing import cast

from torch import nn
from torchvision import models

from compression.core.errors import InputError
from compression.models.imagenet import check_fraction, check_num_classes, check_stem, load_imagenet_
from compression.models.input_channels import set_input_channels_

# Table 2 of the paper: expansion t, channels c, repeats n, stride s of the first repeat.
SETTING = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    *,
    num_classes: int,
    width_mult: float = 1.0,
    dropout: float = 0.2,
    stem: str = "cifar",
    pretrained: bool = False,
    in_channels: int = 3,
) -> nn.Module:
    """Return MobileNetV2: ``[B, in_channels, H, W]`` to ``logits: [B, num_classes]``.

    ``width_mult`` in (0, 16] scales the number of channels. ``stem="cifar"`` sets the first two strides of 2 to 1, so
    that 32x32 images reach the head at 4x4; ``stem="light"`` sets the second one alone to 1. Every weight keeps its
    shape, so ``pretrained=True`` works with every stem, but only with ``width_mult=1``. Raises ``InputError`` for an
    option out of range or a failed download.
    """
    check_stem(stem)
    check_num_classes(num_classes)
    check_fraction(dropout, name="dropout")
    if not 0.0 < width_mult <= 16.0:
        raise InputError(f"model.width_mult={width_mult!r} is out of range; allowed: 0 < width_mult <= 16")
    if pretrained and width_mult != 1.0:
        raise InputError(f"model.pretrained=true has no weights for width_mult={width_mult!r}; allowed: 1.0")

    setting = [list(row) for row in SETTING]
    if stem != "imagenet":
        setting[1][3] = 1
    net = models.mobilenet_v2(
        num_classes=num_classes, width_mult=width_mult, dropout=dropout, inverted_residual_setting=setting
    )
    if stem == "cifar":
        cast(nn.Conv2d, net.features[0][0]).stride = (1, 1)
    if pretrained:
        load_imagenet_(net, models.MobileNet_V2_Weights.IMAGENET1K_V2, without="classifier.")
    set_input_channels_(net, "features.0.0", channels=in_channels, pretrained=pretrained)
    return net
