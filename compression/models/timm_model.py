"""Image classifiers of timm by name; they need the extra `timm`."""

from difflib import get_close_matches
from typing import Any

from torch import nn

from compression.core.errors import InputError, first_line
from compression.models.imagenet import check_num_classes
from compression.system.extras import require_packages

# These make timm read a file or a URL. The description of a model in an artifact must not be able to do that.
REFUSED = ("cache_dir", "checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict")


def timm_model(
    *, name: str, num_classes: int, pretrained: bool = False, in_channels: int = 3, **kwargs: Any
) -> nn.Module:
    """Return timm's model ``name``: ``[B, in_channels, H, W]`` to ``logits: [B, num_classes]``.

    ``kwargs`` are passed to ``timm.create_model``; ``in_channels`` is timm's ``in_chans``, and timm sums pretrained
    weights over channels by itself. Raises ``InputError`` if timm is not installed, for a name that timm does not know,
    for an argument that is refused or unknown, and if pretrained weights cannot be downloaded.
    """
    check_num_classes(num_classes)
    require_packages("timm")
    import timm

    if not timm.is_model(name):
        close = get_close_matches(str(name), timm.list_models(), n=3)
        hint = f"; close to it: {', '.join(close)}" if close else "; allowed: a name of timm.list_models()"
        raise InputError(f"model.name={name!r} is not a model of timm {timm.__version__}{hint}")
    refused = sorted(set(kwargs) & set(REFUSED))
    if refused:
        raise InputError(f"model.{refused[0]} is not allowed for timm models; use model.weights=FILE")
    if in_channels != 3:
        kwargs["in_chans"] = in_channels
    try:
        net: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=num_classes, **kwargs)
    except TypeError as error:
        raise InputError(f"model.name={name}: {first_line(error)}") from error
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        reason = first_line(error)
        raise InputError(f"model.pretrained=true: weights of {name} could not be downloaded ({reason})") from error
    return net
