"""Transfer of feature maps: the pairs of layers, their comparison and its weight in the loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compression.distillation.attention import attention_loss
from compression.distillation.features import Shape
from compression.distillation.hint import Hint

KINDS = ("attention", "hint")
# For attention transfer the paper's beta, which suits means over positions and images. Squared differences of hints are
# large enough without a factor.
USUAL_WEIGHT = {"attention": 1000.0, "hint": 1.0}
Compare = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class FeatureTransfer:
    """The loss ``weight * compare(student_features, teacher_features)`` on ``pairs`` (student layer, teacher layer)."""

    pairs: Sequence[tuple[str, str]]
    compare: Compare
    weight: float


def make_transfer(
    kind: str,
    pairs: Sequence[tuple[str, str]],
    *,
    student: Mapping[str, Shape],
    teacher: Mapping[str, Shape],
    generator: torch.Generator,
    weight: float | None = None,
) -> FeatureTransfer:
    """Return the transfer of kind ``attention`` or ``hint`` for ``pairs`` (student layer, teacher layer).

    ``student`` and ``teacher`` are the shapes ``[B, C, H, W]`` of their layers, by name. ``generator`` draws the
    initial weights of hints. ``weight`` is the factor in the loss, by default ``USUAL_WEIGHT`` of the kind.
    """
    compare: Compare = attention_loss
    if kind == "hint":
        compare = Hint([(student[mine][1], teacher[its][1]) for mine, its in pairs], generator=generator)
    return FeatureTransfer(pairs, compare, USUAL_WEIGHT[kind] if weight is None else weight)


def own_module(transfer: FeatureTransfer | None) -> nn.Module:
    """Return the module that a transfer trains besides the student, or an empty module if it trains nothing."""
    if transfer is not None and isinstance(transfer.compare, nn.Module):
        return transfer.compare
    return nn.Module()
