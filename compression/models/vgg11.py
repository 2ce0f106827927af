"""VGG-11, arXiv:1409.1556 (configuration A)."""

from torch import nn
from torchvision import models
from torchvision.models.vgg import cfgs, make_layers

from compression.core.errors import InputError
from compression.models.imagenet import check_fraction, check_num_classes, check_stem, load_imagenet_
from compression.models.input_channels import set_input_channels_

HEADS = ("compact", "torchvision")


def vgg11(
    *,
    num_classes: int,
    width_mult: float = 1.0,
    batch_norm: bool = True,
    head: str = "compact",
    dropout: float = 0.5,
    stem: str = "cifar",
    pretrained: bool = False,
    in_channels: int = 3,
) -> nn.Module:
    """Return VGG-11: ``[B, in_channels, H, W]`` to ``logits: [B, num_classes]``.

    ``head="compact"`` is a global average pool, dropout and one linear layer. ``head="torchvision"`` is the original
    head of three linear layers (120 million weights). ``stem="cifar"`` leaves out the first max pool.
    ``pretrained=True`` loads all ImageNet weights except those of the compact head, or of the last linear layer of the
    original head. ``width_mult`` in (0, 1] scales the channels of every convolution, rounded to a multiple of 8; values
    below 1 need the compact head and ``pretrained=False``. Raises ``InputError`` for an option out of range or a failed
    download.
    """
    # Between no pooling at first and ImageNet's there is nothing.
    check_stem(stem, allowed=("cifar", "imagenet"))
    check_num_classes(num_classes)
    check_fraction(dropout, name="dropout")
    if head not in HEADS:
        raise InputError(f"model.head={head!r} is unknown; allowed: {', '.join(HEADS)}")
    if not 0.0 < width_mult <= 1.0:
        raise InputError(f"model.width_mult={width_mult!r} is out of range; allowed: 0 < width_mult <= 1")
    if width_mult != 1.0 and (pretrained or head != "compact"):
        raise InputError(
            f"model.width_mult={width_mult!r} fits neither ImageNet weights nor the head of torchvision; allowed: 1.0"
        )

    setting = [_scale(layer, width_mult) if isinstance(layer, int) else layer for layer in cfgs["A"]]
    layers = make_layers(setting, batch_norm=batch_norm)
    if stem == "cifar":
        first_pool = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d))
        layers[first_pool] = nn.Identity()
    if head == "torchvision":
        net: nn.Module = models.VGG(layers, num_classes=num_classes, dropout=dropout)
    else:
        net = _make_compact(layers, num_channels=_scale(512, width_mult), num_classes=num_classes, dropout=dropout)
    if pretrained:
        weights = models.VGG11_BN_Weights if batch_norm else models.VGG11_Weights
        without = "classifier.6." if head == "torchvision" else "classifier."
        load_imagenet_(net, weights.IMAGENET1K_V1, without=without)
    set_input_channels_(net, "features.0", channels=in_channels, pretrained=pretrained)
    return net


def _scale(channels: int, width_mult: float) -> int:
    return max(8, 8 * round(channels * width_mult / 8))


def _make_compact(layers: nn.Sequential, *, num_channels: int, num_classes: int, dropout: float) -> nn.Module:
    net = nn.Sequential()
    net.add_module("features", layers)
    net.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flatten", nn.Flatten())
    net.add_module("dropout", nn.Dropout(dropout))
    net.add_module("classifier", nn.Linear(num_channels, num_classes))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)
    return net
