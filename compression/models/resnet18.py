"""ResNet-18, arXiv:1512.03385."""

from torch import nn
from torchvision import models

from compression.core.errors import InputError
from compression.core.widths import fit_widths_
from compression.models.imagenet import check_num_classes, check_stem, load_imagenet_
from compression.models.input_channels import set_input_channels_


def resnet18(
    *,
    num_classes: int,
    width_mult: float = 1.0,
    stem: str = "cifar",
    pretrained: bool = False,
    in_channels: int = 3,
) -> nn.Module:
    """Return ResNet-18: ``[B, in_channels, H, W]`` to ``logits: [B, num_classes]``.

    ``width_mult`` in (0, 1] scales the channels of every layer, rounded to a multiple of 8. ``stem="cifar"`` is a 3x3
    convolution of stride 1 without max pooling; ``stem="light"`` is torchvision's convolution without max pooling.
    ImageNet weights do not fit the first of them, and exist for the full width only, so ``pretrained=True`` needs
    another stem and ``width_mult=1``. Raises ``InputError`` for an option out of range or a failed download.
    """
    check_stem(stem)
    check_num_classes(num_classes)
    if not 0.0 < width_mult <= 1.0:
        raise InputError(f"model.width_mult={width_mult!r} is out of range; allowed: 0 < width_mult <= 1")
    if pretrained and width_mult != 1.0:
        raise InputError(f"model.pretrained=true has no weights for width_mult={width_mult!r}; allowed: 1.0")
    if pretrained and stem == "cifar":
        raise InputError(
            f"model.pretrained=true has no weights for the 3x3 stem of model.stem={stem!r}; allowed: light, imagenet"
        )
    net = models.resnet18(num_classes=num_classes)
    if stem == "cifar":
        net.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    if stem != "imagenet":
        net.maxpool = nn.Identity()
    if width_mult != 1.0:
        _narrow_(net, width_mult)
    if pretrained:
        load_imagenet_(net, models.ResNet18_Weights.IMAGENET1K_V1, without="fc.")
    set_input_channels_(net, "conv1", channels=in_channels, pretrained=pretrained)
    return net


def _narrow_(net: nn.Module, width_mult: float) -> None:
    """Narrow every layer of ``net`` and draw new random weights; torchvision builds only one width."""

    def scale(channels: int) -> int:
        return max(8, 8 * round(channels * width_mult / 8)) if channels >= 64 else channels

    shapes = {
        name: [*map(scale, value.shape[:2]), *value.shape[2:]]
        for name, value in net.state_dict().items()
        if value.ndim > 0 and not name.startswith("fc.")
    }
    classes, features = net.get_parameter("fc.weight").shape
    fit_widths_(net, shapes | {"fc.weight": [classes, scale(features)]})
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, (nn.BatchNorm2d, nn.Linear)):
            module.reset_parameters()
