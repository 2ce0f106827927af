"""One-line errors of the first check of a network, and the small batch that it runs on."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compression.core.errors import InputError, first_line
from compression.core.seeding import make_generator
from compression.run.context import Context


@contextmanager
def as_input_error(context: Context, what: str, *, advice: str) -> Iterator[None]:
    """Turn an error inside the ``with`` block into an ``InputError``: model, ``what``, the reason, and ``advice``."""
    target = context.config.model["_target_"]
    try:
        yield
    except InputError as error:
        raise InputError(f"model {target} {what}: {error}") from error
    except Exception as error:
        raise InputError(f"model {target} {what}: {_reason(error)}; {advice}") from error


def small_batch(context: Context, *, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Return a random batch of two images, ``[2, C, H, W]``, in channels_last memory as training has it, and labels.

    ``size`` is height and width in pixels, those of the data by default.
    """
    size, num_classes = size or context.data.image_size, context.data.num_classes
    images = torch.randn((2, context.data.channels, size, size), generator=make_generator("check"))
    return images.contiguous(memory_format=torch.channels_last), torch.arange(2) % num_classes


def check_logits(context: Context, logits: Any) -> None:
    """Raise ``InputError`` unless ``logits`` are floats ``[2, num_classes]``."""
    expected = [2, context.data.num_classes]
    if not isinstance(logits, Tensor):
        found = describe_kind(logits)
        raise InputError(f"its output is {found} without a tensor: must be logits, {expected} for two images")
    if not logits.is_floating_point() or list(logits.shape) != expected:
        kind = f"{logits.dtype} {list(logits.shape)}".removeprefix("torch.")
        raise InputError(f"its output is {kind} for two images: must be floating-point logits, {expected}")


def describe_kind(output: Any) -> str:
    """Return the type of an output, with its keys."""
    keys = ", ".join(map(str, output)) if isinstance(output, dict) else ""
    return f"{type(output).__name__} ({keys})" if keys else f"{type(output).__name__}"


def _reason(error: BaseException) -> str:
    """Return the first line of the deepest cause, and where in the user's code it was raised."""
    while error.__cause__ is not None:
        error = error.__cause__
    reason = first_line(error)
    # Frames of installed packages do not help to find the line.
    own = [one for one in traceback.extract_tb(error.__traceback__) if "site-packages" not in one.filename]
    own = [one for one in own if f"{Path(__file__).parents[2].name}/" not in one.filename]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{reason[:300]}{place}"
