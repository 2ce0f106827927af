"""Networks as users write them: right in plain PyTorch, each with a habit that a later stage once failed on."""

import warnings
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune


class _Base(nn.Module):
    """Two convolutions and a linear head; subclasses change one habit."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=4, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(64, num_classes)

    def features(self, images: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(images)))
        return self.pool(torch.relu(self.conv2(x)))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1))


class Views(_Base):
    """Flattens a map with ``view``, which channels_last memory does not allow."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images)
        return self.head(x.view(x.size(0), -1))


class TiedWeights(_Base):
    """Two linear layers with one weight."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.inner, self.outer = nn.Linear(64, 64), nn.Linear(64, 64)
        self.outer.weight = self.inner.weight

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images).flatten(1)
        return self.head(self.outer(torch.relu(self.inner(x))))


class TwoNames(_Base):
    """One convolution under two names, run twice, with a batch norm after each run."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.first, self.norm2, self.norm3 = nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.second = self.first

    def features(self, images: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(images)))
        x = torch.relu(self.norm2(self.first(x)))
        x = torch.relu(self.norm3(self.second(x)))
        return self.pool(torch.relu(self.conv2(x)))


class TiedNorms(_Base):
    """Two convolutions with one weight, each with its own batch norm."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.left, self.right = nn.Conv2d(8, 8, 1, bias=False), nn.Conv2d(8, 8, 1, bias=False)
        self.right.weight = self.left.weight
        self.norm2, self.norm3 = nn.BatchNorm2d(8), nn.BatchNorm2d(8)

    def features(self, images: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(images)))
        x = torch.relu(self.norm2(self.left(x))) + torch.relu(self.norm3(self.right(x)))
        return self.pool(torch.relu(self.conv2(x)))


class Unused(_Base):
    """A registered layer that never runs."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.spare = nn.Linear(64, 32)


class TupleOutput(_Base):
    """Returns logits and features."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.features(images).flatten(1)
        return self.head(x), x * 2


class DictOutput(_Base):
    """Returns a dictionary with ``logits``."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = self.features(images).flatten(1)
        return OrderedDict(features=x, logits=self.head(x))


class AuxiliaryLogits(_Base):
    """Has a second classifier that only training uses."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.aux = nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.features(images).flatten(1)
        return (self.head(x), self.aux(x)) if self.training else self.head(x)


class Branches(_Base):
    """Chooses by the values of the images."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        return logits * 2 if images.mean() > 0 else logits


class WeightNorm(_Base):
    """A convolution with weight norm, as a parametrization."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        parametrizations.weight_norm(self.conv2)


class OldWeightNorm(_Base):
    """A convolution with weight norm by a hook, the older form."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nn.utils.weight_norm(self.conv2)


class Lazy(_Base):
    """Linear head without a number of inputs."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.head = nn.LazyLinear(num_classes)


class PruneLeftovers(_Base):
    """A convolution with the mask of ``torch.nn.utils.prune``."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        prune.l1_unstructured(self.conv2, "weight", 0.5)


class Doubles(_Base):
    """Calls ``double``, which is also the name of a method of every module."""

    def features(self, images: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(images)))
        x = torch.relu(self.conv2(x))
        return self.pool((x.double() + x.flip(1).double()).float())


class RandomConstant(_Base):
    """Multiplies by a random tensor that is in no state dict."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.mix = torch.randn(64, 64)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1) @ self.mix)


class KeepsFeatures(_Base):
    """Keeps a tensor of its last forward."""

    def features(self, images: Tensor) -> Tensor:
        self.last = super().features(images)
        return self.last


class InfiniteLoss(_Base):
    """Takes the logarithm of zero."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + torch.zeros(()).log()


class NeverLazy(_Base):
    """A lazy layer that never runs."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.spare = nn.LazyLinear(3)


class Features(_Base):
    """Returns a map."""

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images)


class Text(_Base):
    """Returns no tensor."""

    def forward(self, images: Tensor) -> str:
        return f"{len(images)} images"


class Raises(_Base):
    """Looks up a missing key."""

    def forward(self, images: Tensor) -> Tensor:
        return {"images": images}["missing"]


class RaisesInTraining(_Base):
    """Refuses small images in training only, as auxiliary classifiers do."""

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError("too small")
        return super().forward(images)


class CannotBeBuilt(_Base):
    """Raises in its constructor."""

    def __init__(self, *, num_classes: int) -> None:
        raise ValueError(f"{num_classes} is not 4")


class HalfLogits(_Base):
    """Returns integers."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).long()


class Versioned(_Base):
    """Refuses tensors without the version of its module, as MNASNet of torchvision does."""

    _version = 2

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *others) -> None:  # type: ignore[no-untyped-def]
        if local_metadata.get("version") != 2:
            raise ValueError(f"version should be 2 instead of {local_metadata.get('version')}")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)


class Functional(_Base):
    """Uses the weight of a layer in a function, as Swin of torchvision does."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.inner = nn.Linear(64, 64)

    def forward(self, images: Tensor) -> Tensor:
        x = self.features(images).flatten(1)
        return self.head(torch.nn.functional.linear(x, self.inner.weight, self.inner.bias).relu())


class Splits(_Base):
    """Splits channels in three ways, and attends."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mix = nn.Linear(8, 8)

    def features(self, images: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(images)))
        a, b = x.split(4, dim=1)
        x = torch.cat([self.left(a), self.right(b)], dim=1)
        tokens = self.mix(self.attention(*[x.flatten(2).transpose(1, 2)] * 3)[0])
        x = x + tokens.transpose(1, 2).unflatten(2, (8, 8))
        one, two = x.unflatten(1, (2, 4)).unbind(1)
        return self.pool(torch.relu(self.conv2(torch.cat([one, two], dim=1))))


class ReadsConstant(_Base):
    """Computes a bias from a buffer, as position networks of Swin do."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.register_buffer("place", torch.linspace(-1, 1, 4)[None])
        self.position = nn.Linear(4, 64)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1) + self.position(self.place))


class OneSize(_Base):
    """Accepts images of 32 pixels only."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.head = nn.Linear(3 * 32 * 32, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1))


class Multiples(_Base):
    """Accepts images whose height and width are multiples of 8."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.head = nn.Linear(192, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(nn.functional.pixel_unshuffle(images, 8).mean((2, 3)))


class LargeInTraining(_Base):
    """Has an auxiliary classifier, which only training runs, and which needs 32 pixels."""

    def forward(self, images: Tensor) -> Tensor:
        if self.training:
            nn.functional.max_pool2d(images, 32)
        return self.head(self.features(images).flatten(1))


class FiveDimensions(_Base):
    """Scales its features by a parameter of five dimensions."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.scale = nn.Parameter(torch.ones(1, 1, 1, 1, 64))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1) * self.scale[0, 0, 0])


class NegativeScale(_Base):
    """Multiplies its features by a parameter that has the name of a quantizer's scale, and is negative."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.scale = nn.Parameter(torch.full((64,), -0.5))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1) * self.scale)


class ForcedDivisor(_Base):
    """Averages with a divisor of its own, which torch's ONNX exporter drops."""

    def features(self, images: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(images)))
        return self.pool(nn.functional.avg_pool2d(torch.relu(self.conv2(x)), 2, 1, 1, divisor_override=1))


class OverwritesInput(_Base):
    """Normalizes its input in place."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.sub_(0.5).div_(0.25))


class FiveAxes(_Base):
    """Averages two of five axes, which looks like the mean over height and width of four."""

    def features(self, images: Tensor) -> Tensor:
        x = super().features(images)
        means = x.unsqueeze(1).mean((2, 3), keepdim=True)
        return x + means.flatten(1).amax(1)[:, None, None, None]


class OnlyTensors(_Base):
    """Scales its images if they are a tensor; while torch.fx follows it, they are not."""

    def features(self, images: Tensor) -> Tensor:
        return super().features(images * 2 - 1 if isinstance(images, Tensor) else images)


class PreActivation(_Base):
    """Adds what an activation in place has overwritten."""

    def __init__(self, *, num_classes: int) -> None:
        super().__init__(num_classes=num_classes)
        self.act, self.conv3 = nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1)

    def features(self, images: Tensor) -> Tensor:
        x = self.norm1(self.conv1(images))
        return self.pool(torch.relu(self.conv2(self.conv3(self.act(x)) + x)))
