"""Normalizations by name: the mean and the standard deviation that others use, or those of the images themselves."""

from collections.abc import Sequence

from compression.core.errors import InputError
from compression.data.options import PerChannel

MEASURED = "measured"
_CIFAR10 = (0.4914, 0.4822, 0.4465)
# Mean and standard deviation of red, green and blue, on the 0..1 scale. The second one of CIFAR-10 is the mean of the
# standard deviations of single images; many recipes use it.
NAMED: dict[str, tuple[PerChannel, PerChannel]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": (_CIFAR10, (0.2470, 0.2435, 0.2616)),
    "cifar10_alt": (_CIFAR10, (0.2023, 0.1994, 0.2010)),
}


def choose_normalization(
    name: object, *, mean: PerChannel | None, std: PerChannel | None, channels: int
) -> tuple[PerChannel | None, PerChannel | None]:
    """Return the mean and the standard deviation of ``data.normalization``; None stands for measured ones.

    Without a name, ``mean`` and ``std`` come back unchanged. Raises ``InputError`` for an unknown name, for numbers
    that contradict the name, and for numbers of three channels where images have one.
    """
    if name is None:
        return mean, std
    if name != MEASURED and (not isinstance(name, str) or name not in NAMED):
        raise InputError(f"data.normalization={name}: allowed is null, {', '.join(NAMED)} or {MEASURED}")
    if name != MEASURED and channels != 3:
        raise InputError(
            f"data.normalization={name} has three channels, and data.channels={channels}: allowed is null or {MEASURED}"
        )
    chosen = (None, None) if name == MEASURED else NAMED[str(name)]
    for key, given, wanted in zip(("mean", "std"), (mean, std), chosen, strict=True):
        if given is not None and (not isinstance(given, Sequence) or tuple(given) != wanted):
            raise InputError(f"data.{key}={list(given)} contradicts data.normalization={name}: give one of them")
    return chosen
