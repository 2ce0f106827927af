"""Attention transfer, arXiv:1612.03928."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import normalize

from compression.distillation.features import resize_to
from compression.distillation.precision import at_least_float32


def attention_map(features: Tensor) -> Tensor:
    """Return the attention map of ``features: [B, C, H, W]``: the mean of squares over channels, ``[B, 1, H, W]``."""
    return at_least_float32(features).square().mean(dim=1, keepdim=True)


def attention_loss(student_features: Sequence[Tensor], teacher_features: Sequence[Tensor]) -> Tensor:
    """Return the sum over pairs of layers of ``mean((Q_s/|Q_s| - Q_t/|Q_t|)^2)``, a scalar.

    Q is the flattened attention map of an image. Features are ``[B, C, H, W]``. The number of channels may differ. If
    height or width differ, the teacher's map is averaged over, or repeated to, the student's positions. A map of zeros
    stays zero.
    """
    total = student_features[0].new_zeros(())
    for student, teacher in zip(student_features, teacher_features, strict=True):
        target = resize_to(attention_map(teacher), student)
        mine, its = (normalize(found.flatten(1), dim=1) for found in (attention_map(student), target))
        total = total + (mine - its).square().mean()
    return total
