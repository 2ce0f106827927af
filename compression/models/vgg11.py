"""VGG-11, arXiv:1409.1556 (configuration A)."""

from torch import nn
from torchvision import models
from torchvision.models.vgg import cfgs, make_layers

from compression.core.errors import InputError
from compression.models.imagenet import check_fraction, check_num_classes, check_stem, load_imagenet_

HEADS = ("compact", "torchvision")


def vgg11(
    *,
    num_classes: int,
    batch_norm: bool = True,
    head: str = "compact",
    dropout: float = 0.5,
    stem: str = "cifar",
    pretrained: bool = False,
) -> nn.Module:
    """Return VGG-11; input [B, 3, H, W], logits [B, num_classes].

    ``head="compact"`` is a global average pool, dropout and one linear layer; ``"torchvision"`` its three
    linear layers (120 million weights). ``stem="cifar"`` leaves out the first max pool. ``pretrained=True``
    keeps every ImageNet weight but the compact head's, or the last linear layer's. Raises InputError.
    """
    check_stem(stem)
    check_num_classes(num_classes)
    check_fraction(dropout, name="dropout")
    if head not in HEADS:
        raise InputError(f"model.head={head!r} is unknown; allowed: {', '.join(HEADS)}")

    layers = make_layers(cfgs["A"], batch_norm=batch_norm)
    if stem == "cifar":
        first_pool = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d))
        layers[first_pool] = nn.Identity()
    if head == "torchvision":
        net: nn.Module = models.VGG(layers, num_classes=num_classes, dropout=dropout)
    else:
        net = _make_compact(layers, num_classes=num_classes, dropout=dropout)
    if pretrained:
        weights = models.VGG11_BN_Weights if batch_norm else models.VGG11_Weights
        without = "classifier.6." if head == "torchvision" else "classifier."
        load_imagenet_(net, weights.IMAGENET1K_V1, without=without)
    return net


def _make_compact(layers: nn.Sequential, *, num_classes: int, dropout: float) -> nn.Module:
    net = nn.Sequential()
    net.add_module("features", layers)
    net.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flatten", nn.Flatten())
    net.add_module("dropout", nn.Dropout(dropout))
    net.add_module("classifier", nn.Linear(512, num_classes))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)
    return net
