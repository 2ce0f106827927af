"""What is asked of feature maps beside the logits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compression.distillation.attention import attention_loss
from compression.distillation.features import Shape
from compression.distillation.hint import Hint

KINDS = ("attention", "hint")
# The paper's beta of attention transfer, for means over positions and images; a hint's squares are large by themselves.
USUAL_WEIGHT = {"attention": 1000.0, "hint": 1.0}
Compare = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class FeatureTransfer:
    """``weight`` times what ``compare`` finds between the feature maps of pairs (student layer, teacher layer)."""

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
    """Return the transfer of one of ``KINDS``; ``student`` and ``teacher`` are the shapes of their layers."""
    compare: Compare = attention_loss
    if kind == "hint":
        compare = Hint([(student[mine][1], teacher[its][1]) for mine, its in pairs], generator=generator)
    return FeatureTransfer(pairs, compare, USUAL_WEIGHT[kind] if weight is None else weight)


def own_module(transfer: FeatureTransfer | None) -> nn.Module:
    """Return what a transfer learns beside the student: a module without parameters where it learns nothing."""
    if transfer is not None and isinstance(transfer.compare, nn.Module):
        return transfer.compare
    return nn.Module()
