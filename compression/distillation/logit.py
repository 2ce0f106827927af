"""Distillation of logits, arXiv:1503.02531."""

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from compression.distillation.precision import at_least_float32


def soft_loss(
    student_logits: Tensor, teacher_logits: Tensor, *, temperature: float, weights: Tensor | None = None
) -> Tensor:
    """Return ``T^2 * KL(softmax(t/T) || softmax(s/T))``, averaged over the batch, for ``logits: [B, C]``.

    The factor ``T^2`` keeps the size of the gradient about the same at any temperature T. With ``weights: [B]`` each
    image's divergence is multiplied by its weight before the average.
    """
    student, teacher = (
        log_softmax(at_least_float32(logits) / temperature, dim=1) for logits in (student_logits, teacher_logits)
    )
    if weights is None:
        return temperature**2 * kl_div(student, teacher, reduction="batchmean", log_target=True)
    divergences = kl_div(student, teacher, reduction="none", log_target=True).sum(1)
    return temperature**2 * (weights * divergences).mean()


def mix_losses(soft: Tensor, hard: Tensor, *, alpha: float) -> Tensor:
    """Return ``alpha * soft + (1 - alpha) * hard``; for ``alpha=0`` exactly ``hard``, whatever ``soft`` is."""
    return hard if alpha == 0 else alpha * soft + (1 - alpha) * hard
