"""Finiteness of weights, which a training that diverges loses."""

from collections.abc import Mapping

from torch import Tensor

from compression.core.errors import InputError


def are_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether ``tensors`` have neither NaN nor infinite values."""
    return all(bool(value.isfinite().all()) for value in tensors.values() if value.is_floating_point())


def refuse_diverged(stage: str) -> None:
    """Raise ``InputError``, because the training of ``stage`` has no finite weights to keep."""
    raise InputError(
        f"{stage}: training has diverged, its weights are not finite: try a lower learning rate, or "
        "training.gradient_clip=1.0"
    )
