"""Torchvision's ImageNet weights, and the option checks that all model families share."""

from torch import Tensor, nn
from torchvision.models import WeightsEnum

from compression.core.errors import InputError, first_line

STEMS = ("cifar", "light", "imagenet")


def check_stem(stem: str, *, allowed: tuple[str, ...] = STEMS) -> None:
    """Raise ``InputError`` unless ``stem`` is one of those ``allowed``."""
    if stem not in allowed:
        raise InputError(f"model.stem={stem!r} is unknown; allowed: {', '.join(allowed)}")


def check_fraction(value: float, *, name: str) -> None:
    """Raise ``InputError`` naming ``model.{name}`` unless ``value`` is in [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise InputError(f"model.{name}={value!r} is out of range; allowed: 0 <= {name} < 1")


def check_num_classes(num_classes: int) -> None:
    """Raise ``InputError`` unless ``num_classes`` is at least 1."""
    if num_classes < 1:
        raise InputError(f"num_classes={num_classes!r} is out of range; allowed: 1 or more")


def load_imagenet_(model: nn.Module, weights: WeightsEnum, *, without: str) -> None:
    """Copy ImageNet weights into ``model``, except for the keys that begin with ``without`` (the head).

    Downloads the weights into torch's cache if they are not there, and checks the published hash. Raises ``InputError``
    if the download fails.
    """
    state = {key: value for key, value in _download(weights).items() if not key.startswith(without)}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert all(key.startswith(without) for key in missing), missing


def _download(weights: WeightsEnum) -> dict[str, Tensor]:
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:
        reason = first_line(error)
        raise InputError(
            f"model.pretrained=true: {weights.url} could not be downloaded ({reason}); "
            "allowed: a working connection, or model.weights=FILE"
        ) from error
