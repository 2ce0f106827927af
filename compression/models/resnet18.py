"""ResNet-18, arXiv:1512.03385."""

from torch import nn
from torchvision import models

from compression.core.errors import InputError
from compression.models.imagenet import check_num_classes, check_stem, load_imagenet_


def resnet18(*, num_classes: int, stem: str = "cifar", pretrained: bool = False) -> nn.Module:
    """Return ResNet-18; input [B, 3, H, W], logits [B, num_classes].

    ``stem="cifar"`` is a 3x3 convolution of stride 1 without max pooling. ImageNet weights have no such
    convolution, so ``pretrained=True`` wants ``stem="imagenet"``. Raises InputError.
    """
    check_stem(stem)
    check_num_classes(num_classes)
    if pretrained and stem != "imagenet":
        raise InputError(
            f"model.pretrained=true has no weights for the 3x3 stem of model.stem={stem!r}; allowed: imagenet"
        )
    net = models.resnet18(num_classes=num_classes)
    if stem == "cifar":
        net.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        net.maxpool = nn.Identity()
    if pretrained:
        load_imagenet_(net, models.ResNet18_Weights.IMAGENET1K_V1, without="fc.")
    return net
